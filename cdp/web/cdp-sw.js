// The service worker of cdp.js: shows push messages, and opens what they lead to. A page's origin has
// to serve it: copy it there, or import it in one of your own with importScripts.
self.addEventListener("push", function (event) {
  var said = {};
  try {
    said = event.data.json();
  } catch (ignored) {}
  event.waitUntil(
    self.registration.showNotification(said.title || "", {
      body: said.body || "",
      icon: said.icon,
      tag: said.tag, // of a message that comes again only one is shown
      data: { url: said.url, more: said.data },
    })
  );
});
self.addEventListener("notificationclick", function (event) {
  event.notification.close();
  var url = event.notification.data && event.notification.data.url;
  if (url && /^https?:/.test(new URL(url, self.location.href).protocol))
    event.waitUntil(self.clients.openWindow(url));
});
