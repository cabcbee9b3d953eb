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

// A push says whose site asks, and nothing else. One that comes late, twice or out of order rings again at most: what
// waits is asked of the gate by the app.
addEventListener("push", (event) => {
  let site = "";
  try {
    site = String(event.data.json().site).slice(0, 200);
  } catch {
    // Whatever it was, the person is told that there may be something to see.
  }
  event.waitUntil(ring(site));
});

async function ring(site) {
  const windows = await clients.matchAll({ type: "window" });
  const seen = windows.some((one) => one.visibilityState === "visible");
  const { title, body } = await words();
  return registration.showNotification(site ? title.replace("{site}", () => site) : "Portcullis", {
    body,
    // A newer one of the same site takes the older one's place.
    tag: `question:${site}`,
    renotify: !seen,
    silent: seen,
    icon: "/icons/192.png",
  });
}

/** What the app says in its language; it was open before, or nobody could push. */
async function words() {
  const kept = await caches.open("said").then((said) => said.match("/rings")).catch(() => null);
  return (await kept?.json().catch(() => null)) ?? { title: "{site} asks for your answer" };
}

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(
    clients.matchAll({ type: "window", includeUncontrolled: true }).then((windows) => (windows[0] ? windows[0].focus() : clients.openWindow("/"))),
  );
});

// The browser changed it: the new one is made here, and told to the gate when the app is opened next.
addEventListener("pushsubscriptionchange", (event) => {
  const options = event.oldSubscription?.options;
  if (options?.applicationServerKey) event.waitUntil(registration.pushManager.subscribe(options).catch(() => {}));
});
