// The camera as a scanner: frames of the live picture go to the decoder until one is a square.

import { Problem } from "./api.js";

/** Shows the camera in `video`; calls `found(text)` for each square seen until it returns true.
    Returns a function that stops it. */
export async function scan(video, found) {
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
    const scale = Math.min(1, SIDE_PX_MAX / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    worker.postMessage({ pixels: data.buffer, width, height }, [data.buffer]);
  };
  worker.onmessage = ({ data }) => {
    if (stopped) return;
    if (data && found(data)) stop();
    else setTimeout(look, PAUSE_MS);
  };
  worker.onerror = () => setTimeout(look, PAUSE_MS);
  look();
  return stop;
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
