// The iPhone keeps the app's key, and wakes the app, only where it stands on the home screen.

import { el } from "./pages.js";
import { t } from "./words.js";

/** Whether this is a browser's window on an iPhone or iPad, and not the app from the home screen. */
export function onIphoneBrowser() {
  const touchMac = /Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1;
  const apple = /iPhone|iPad/.test(navigator.userAgent) || touchMac;
  return apple && !navigator.standalone && !matchMedia("(display-mode: standalone)").matches;
}

/** How to put it there, in a picture and in three steps. */
export function homeScreenSteps() {
  return [
    el("img.picture", {
      src: "/icons/home-screen.svg",
      width: 320,
      height: 220,
      alt: t("home-screen.picture"),
    }),
    el(
      "ol.steps",
      {},
      el("li", {}, t("home-screen.one")),
      el("li", {}, t("home-screen.two")),
      el("li", {}, t("home-screen.three")),
    ),
  ];
}
