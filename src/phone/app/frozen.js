// The page while a person is frozen: "not me" was said, and support has not yet opened the access again.

import { action, brand, el, show } from "./pages.js";
import { t } from "./words.js";

/** Shown instead of everything else. `back` leads to other sites on this phone, where there are any. */
export function frozen(phone, { back } = {}) {
  brand(phone);
  const href = phone.telephone && `tel:${phone.telephone.replace(/[^+\d]/g, "")}`;
  show(
    "frozen",
    t("frozen"),
    el("p", {}, t("frozen.text")),
    el("p", {}, t(href ? "frozen.ring-or" : "frozen.ring")),
    href && el("a.button.main", { href }, t("call-support", phone)),
    el("p.small", {}, t("frozen.then")),
    back && action(t("frozen.others"), back, { look: "quiet" }),
  );
}
