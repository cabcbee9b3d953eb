// Finds a QR code in a picture, off the page's thread. jsQR is by Cosmo Wolfe, Apache-2.0
// (vendor/jsqr.LICENSE).

importScripts("/vendor/jsqr.js");

onmessage = ({ data: { pixels, width, height } }) => {
  const found = self.jsQR(new Uint8ClampedArray(pixels), width, height, { inversionAttempts: "attemptBoth" });
  postMessage(found ? found.data : null);
};
