// The camera as a scanner: frames of the live picture go to the decoder until one is a square.

import { Problem } from "./api.js";
import { action, el, onLeave, page, show, showProblem } from "./pages.js";
import { t } from "./words.js";

/** Shows the camera in `video`; calls `found(text)` for each square seen until it returns true.
    Returns a function that stops it. */
export async function scan(video, found, side_px_max = SIDE_PX_MAX) {
  const media = await camera();
  let stopped = false;
  const worker = new Worker("/scan-worker.js");
  const stop = () => {
    stopped = true;
    worker.terminate();
    for (const track of media.getTracks()) track.stop();
    video.srcObject = null;
  };
  video.srcObject = media;
  await video.play().catch(() => {});

  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const look = () => {
    if (stopped) return;
    if (!video.videoWidth) return void setTimeout(look, 100);
    const scale = Math.min(1, side_px_max / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    worker.postMessage({ pixels: data.buffer, width, height }, [data.buffer]);
  };
  worker.onmessage = async ({ data }) => {
    if (stopped) return;
    if (data && (await found(data))) stop();
    else setTimeout(look, PAUSE_MS);
  };
  worker.onerror = () => setTimeout(look, PAUSE_MS);
  look();
  return stop;
}

/** A page with the camera's picture. `read(text)` says what a square is, or null: then `other` is said. `found` is
    called with what was read. It gives up after two minutes. */
export async function viewfinder({ name, title, other, read, found, again, back, side_px_max }) {
  const before = page();
  const video = el("video", { playsinline: true, muted: true, autoplay: true, "aria-label": t("scan.picture") });
  video.muted = true;
  const said = el("p.said", { role: "status" }, t("scan.looking"));
  let stop;
  try {
    stop = await scan(video, async (text) => {
      const what = await read(text);
      if (what) queueMicrotask(() => found(what));
      else said.textContent = other;
      return Boolean(what);
    }, side_px_max);
  } catch (problem) {
    return showProblem(problem, { again, back });
  }
  if (page() !== before) return stop();
  show(
    name,
    title,
    el("div.finder", {}, video, el("span.frame", { "aria-hidden": "true" })),
    said,
    action(t("scan.stop"), back, { look: "quiet" }),
  );
  const hint = setTimeout(() => (said.textContent = t("scan.hint")), HINT_AFTER_MS);
  const end = setTimeout(() => showProblem(new Problem({ code: "nothing-seen" }), { again, back }), SCAN_MS_MAX);
  onLeave(() => {
    clearTimeout(hint);
    clearTimeout(end);
    stop();
  });
}

async function camera() {
  if (!navigator.mediaDevices?.getUserMedia) throw missing();
  const wanted = {
    audio: false,
    video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } },
  };
  let given = false;
  const media = navigator.mediaDevices.getUserMedia(wanted).then((media) => {
    // An answer after we gave up must not leave the camera on.
    if (given === "late") for (const track of media.getTracks()) track.stop();
    return media;
  });
  const late = new Promise((_, reject) =>
    setTimeout(() => {
      given ||= "late";
      reject(new DOMException("", "TimeoutError"));
    }, CAMERA_MS_MAX),
  );
  try {
    const stream = await Promise.race([media, late]);
    given = "yes";
    return stream;
  } catch (error) {
    given ||= "no";
    if (error.name === "NotAllowedError" || error.name === "SecurityError") throw denied();
    throw missing();
  }
}

const denied = () =>
  new Problem({ code: "camera-denied" });

const missing = () =>
  new Problem({ code: "camera-missing" });

const CAMERA_MS_MAX = 60_000;
const SIDE_PX_MAX = 800;
const PAUSE_MS = 80;
const HINT_AFTER_MS = 20_000;
const SCAN_MS_MAX = 120_000;
