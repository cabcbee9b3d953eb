// What was asked lately, on all sites of this phone, and "this was not me" for each.

import { call } from "./api.js";
import { action, brand, el, page, row, say, show, showProblem, support } from "./pages.js";
import { moment, t, what } from "./words.js";

/** The page of the last questions to `phones`. `then` has home() and stopped(phone). */
export async function lastApprovals(phones, then) {
  brand(phones.length === 1 ? phones[0] : null);
  const back = () => action(t("back"), then.home, { look: "quiet" });
  show("history", t("history"), el("p", { role: "status" }, t("one-moment")), back());
  const each = await Promise.allSettled(phones.map(lately));
  // Whoever went on meanwhile is not called back.
  if (page() !== "history") return;
  const missing = each.flatMap(({ reason }, at) => (reason ? [{ problem: reason, phone: phones[at] }] : []));
  if (missing.length === phones.length) {
    const [{ problem, phone }] = missing;
    return showProblem(problem, { again: () => lastApprovals(phones, then), back: then.home, site: phone });
  }
  const over = each.flatMap(({ value }) => value ?? []).sort((a, b) => b.asked - a.asked);
  show(
    "history",
    t("history"),
    el("p", {}, t(over.length ? "history.text" : "history.none")),
    ...missing.map(({ problem, phone }) => el("p.next", {}, `${phone.site}: ${problem.title}`)),
    ...over.map((one) => card(one, () => lastApprovals(phones, then), then)),
    back(),
  );
}

async function lately(phone) {
  const { history } = await call({ handle: phone.id, key: phone.key }, "GET", "/api/history");
  return history.map((one) => ({ ...one, of: phone }));
}

function card(one, again, then) {
  return el(
    `section.card.past.${one.end}`,
    {},
    el("h2", {}, what(one)),
    el("p", {}, moment(one.asked), " · ", one.site),
    ...one.rows.map(({ name, value }) => el("p", {}, `${name}: ${value}`)),
    el("p.small", {}, `${one.device}, ${one.browser}`, el("br"), from(one)),
    el("p.ended", {}, ended(one)),
    one.end !== "denied" && action(t("not-mine"), () => sure(one, again, then), { look: "danger" }),
  );
}

/** Asked once more: it stops everything, and support must open it again. */
function sure(one, again, then) {
  brand(one.of);
  show(
    "not-mine",
    t("not-mine.sure"),
    el("p", {}, t("not-mine.text")),
    el(
      "dl",
      {},
      row(t("row-reason"), what(one)),
      row(t("row-device"), one.device),
      row(t("row-from"), from(one)),
      row(t("row-when"), moment(one.asked)),
    ),
    action(t("not-mine.yes"), () => stop(one, again, then), { look: "danger", busy: t("busy-stopping"), id: "not-mine" }),
    action(t("back"), again, { look: "quiet" }),
    support(one.of),
  );
}

async function stop(one, again, then) {
  try {
    await call({ handle: one.of.id, key: one.of.key }, "POST", `/api/history/${one.id}/not-me`, {});
    then.stopped(one.of);
    say(t("frozen"));
  } catch (problem) {
    if (problem.code === "frozen") return then.stopped(one.of);
    showProblem(problem, { again: () => stop(one, again, then), back: again, site: one.of });
  }
}

const from = (one) => t(one.place ? "from-place" : "from-address", one);

function ended({ end, at, phone, this_phone: here }) {
  return t(`end-${end}`, { time: at && moment(at), phone: here ? t("this-phone") : (phone ?? t("other-phone")) });
}
