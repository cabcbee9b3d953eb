// Keeps the app's shell on the phone, so that it opens without a network. VERSION and KEPT are
// put above this line by the gate; a new release has a new VERSION and replaces the shell whole.

const CACHE = `shell-${VERSION}`;

addEventListener("install", (event) => {
  const files = KEPT.map((path) => new Request(path, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(files)).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("shell-") && name !== CACHE;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => clients.claim()),
  );
});

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  const shell = event.request.mode === "navigate" && (url.pathname === "/" || url.pathname === "/pair");
  const path = shell ? "/" : url.pathname;
  if (!KEPT.includes(path)) return;
  event.respondWith(
    caches.open(CACHE).then(async (cache) => (await cache.match(path)) ?? fetch(event.request)),
  );
});
