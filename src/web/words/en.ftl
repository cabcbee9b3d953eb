## Refusals. Each key of web::refusal has a title, a text (what we saw and what it means) and a
## next step. Never blame; say what to do and whom to call.

no-certificate-first-title = Please close the browser completely, and open it again
no-certificate-first-text = Every window of it. Then come back to this address. If you have just installed something new from us, or pressed Cancel by mistake, that is all there is to do.
no-certificate-title = This browser did not show us your certificate
no-certificate-text = A certificate is a file on this device that proves it is yours. Without it this address stays closed.
no-certificate-next = If none of these is it, call us. We will find the reason together.
no-certificate-q1 = Is this another browser than usual?
no-certificate-a1 = Firefox keeps certificates apart from the other browsers. Open this address in the browser you installed it in.
no-certificate-q2 = Were you asked to choose a certificate, and pressed Cancel?
no-certificate-a2 = Close the browser completely and open it again. When it asks, choose the line with your name.
no-certificate-q3 = Is it two years since you received it?
no-certificate-a3 = A certificate that has ended is no longer offered by the browser. You need a new one: see below, or call us.
no-certificate-expired-title = My certificate has expired
no-certificate-expired-text = You get a new one with your password, your phone and a call to us. It takes about five minutes.
no-certificate-expired-press = Get a new certificate

certificate-expired-title = Your certificate ended on { $day }
certificate-expired-text = The file on this device that proves it is yours is good for two years, and these are over. Nothing is wrong with your account.
certificate-expired-next = Call us to renew it. It takes about five minutes.
certificate-expired-renew = You can renew it here, with your password and your phone. It takes about five minutes.

certificate-not-yet-title = Your certificate begins on { $day }
certificate-not-yet-text = The file on this device that proves it is yours is for later. It can also be that the clock of this device is not right.
certificate-not-yet-next = Check the date on this device. If it is right, come back on { $day }, or call us.

foreign-issuer-title = This certificate is not one of ours
foreign-issuer-text = Your browser showed a certificate that another organisation made. We accept only the one you received from us.
foreign-issuer-next = Close the browser completely, open it again, and choose the line with your name and device. If there is none, call us.

wrong-purpose-title = This certificate is not made for signing in
wrong-purpose-text = Your browser showed a certificate of another kind than the one you received for this device.
wrong-purpose-next = Close the browser completely, open it again, and choose the line with your name and device. If there is none, call us.

wrong-tenant-title = This certificate belongs to another address
wrong-tenant-text = It is a certificate of ours, but not for { $host }.
wrong-tenant-next = Use the address in the letter or mail that came with the certificate. If you have several certificates, close the browser completely, open it again and choose another one.

certificate-revoked-title = This certificate was switched off on { $day }
certificate-revoked-text = Nobody can come in with it any more. That is so when a device was lost, replaced, or reported by you or by us.
certificate-revoked-next = Call us. If you did not ask for this, call us now.

certificate-superseded-title = A newer certificate has taken this one’s place
certificate-superseded-text = You have already signed in with a newer certificate for this device. The old one is good for nothing any more.
certificate-superseded-next = Close the browser completely, open it again, and choose the line with the later date. You may delete the old one.

unknown-device-title = We do not know this device any more
unknown-device-text = The certificate is one of ours, but the device it was made for is no longer on our list.
unknown-device-next = Call us. We will tell you whether the device was removed, and give you a new certificate where you need one.

person-locked-title = Your access is closed for now
person-locked-text = It was locked by us, or by yourself when you told us that something was not right. Your data is safe.
person-locked-next = Call us to open it again.

person-frozen-title = We have stopped it. Nobody is signed in.
person-frozen-text = If this is your own device, please call us.
person-frozen-next = We look together at what happened, and open it again.

sign-in-first-title = Please sign in first
sign-in-first-text = This address opens only to somebody who has signed in with this certificate.
sign-in-first-next = Open it in your browser and sign in there; a program then uses that session.

session-elsewhere-title = Please sign in again on this device
session-elsewhere-text = What your browser kept from the last visit was made with another certificate. We do not accept the one beside the other.
session-elsewhere-next = Sign in again. If you did not change your certificate, call us.

policy-denied-title = This part is not open to you
policy-denied-text = You are known to us, but this page is for others.
policy-denied-next = If you need it for your work, ask your contact or call us.

outside-hours-title = This part is closed at this hour
outside-hours-text = It opens only at set hours, for your safety.
outside-hours-next = Come back later, or call us.

wait-time = { $wait ->
    [seconds] in { $seconds } seconds
    [minutes] { $minutes ->
        [one] in one minute
       *[other] in { $minutes } minutes
    }
   *[hours] { $hours ->
        [one] in one hour
       *[other] in { $hours } hours
    }
}

too-many-title = Please wait a moment
too-many-text = There were several tries in a row that were not right. To keep strangers out, the next one is heard only { wait-time }.
too-many-next = Wait until the time is over, then try again. If the tries were not yours, call us.

kept-too-many-title = This was not sent: there were too many within an hour
kept-too-many-text = Each of them waits to be confirmed on your phone, and we keep only as many as one person can look at. What you sent just now was not carried out. The next one is taken { wait-time }.
kept-too-many-next = Wait until the time is over, then send it again. If you did not send so many yourself, call us: a page or a program may be doing it in your name.

blocked-title = Signing in is stopped, to keep strangers out
blocked-text = There were too many tries in a row that were not right. Waiting does not open it again, but a call does.
blocked-next = Call us. We will ask who you are and open it again.

phone-blocked-title = Your phone is blocked, to keep strangers out
phone-blocked-text = On it, five wrong numbers were typed in a row. Waiting does not open it again, but a call does.
phone-blocked-next = Call us. We will ask who you are and open it again.

misdirected-title = Please open this address again
misdirected-text = Your browser came by a connection that belongs to another address of ours.
misdirected-next = Try again. Your browser will make a connection of its own.

bad-request-title = We could not read this request
bad-request-text = What your browser sent is not what this address takes: { $what }.
bad-request-next = Go back to the first page and try again. If it happens again, call us.

cross-site-title = This did not come from our own page
cross-site-text = Your browser sent us something that a page of ours should have sent, but did not. We have done nothing with it.
cross-site-next = Go to the first page and start there. If you came here by a link in a message, do not use it again.

not-found-title = There is no page at this address
not-found-text = The link may be old, or a letter may be missing.
not-found-next = Go to the first page.

method-title = This address is not used in this way
method-text = There is something here, but it does not take what was sent.
method-next = Go to the first page.

too-large-title = This is more than the page takes
too-large-text = What was sent is too large, and we have kept nothing of it.
too-large-next = Go back and send less.

# Only to who is: an open page has readers who never signed in.
still-signed-in = { $signed ->
    [yes] You are still signed in.{" "}
   *[no] {""}
}

no-route-title = There is no page at this address
no-route-text = The link may be old, or a letter may be missing.
no-route-next = Go to the first page. If that is not there either, call us.

backend-down-title = { $tenant }’s pages are not answering
backend-down-text = { still-signed-in }We could not reach the pages behind this door; if you had just sent something, it did not arrive there.
backend-down-next = This page tries again by itself. If it takes longer than ten minutes, call us.

backend-slow-title = { $tenant }’s pages are taking too long
backend-slow-text = { still-signed-in }If you had just sent something, look whether it arrived before you send it again.
backend-slow-next = Try again. If it takes longer than ten minutes, call us.

backend-broken-title = { $tenant }’s pages gave an answer we could not read
backend-broken-text = { still-signed-in }If you had just sent something, look whether it arrived before you send it again.
backend-broken-next = Try again. If it happens again, call us.

backend-busy-title = { $tenant }’s pages have a great deal to do
backend-busy-text = { still-signed-in }If you had just sent something, it did not arrive there.
backend-busy-next = This page tries again by itself. If it takes longer than ten minutes, call us.

maintenance-title = { $tenant }’s pages are closed for maintenance
maintenance-text = We are working on them. { $signed ->
    [yes] You are still signed in, and nothing
   *[no] Nothing
} of yours is lost; if you had just sent something, it did not arrive there.
maintenance-next = This page opens by itself once they are open again.
maintenance-next-until = We expect to be done at { $when }. This page opens by itself once they are open again.

store-stale-title = We have to check something first
store-stale-text = This machine has lost touch with the others, so it cannot tell whether your access is still in force. It opens nothing until it can.
store-stale-next = This page tries again by itself. It usually takes less than a minute.

busy-title = Many people are here at the moment
busy-text = We let in only as many at once as we can serve well. You have lost nothing.
busy-next = This page tries again by itself.

internal-title = Something of ours went wrong
internal-text = It is not your doing. We have written down what happened under the number at the foot of this page.
internal-next = Try again. If it happens again, call us and read out that number.

# To programs, which have no page that does it for them.
program-again = Try again in { $seconds } seconds.
program-again-until = We expect to be done at { $when }. Try again then.

## What the person can press

press-call = Call { $telephone }
press-renew = Renew it now
press-again = Try again
press-sign-in = Sign in again
press-first = Go to the first page
say-number = When you call, please read out the number { $request }.
counting = Trying again in { $seconds } seconds

## How a certificate is installed, by platform

help-title = How to install the certificate
help-windows = Windows, Chrome and Edge
help-windows-text = Open the .p12 file with a double click, keep “Current User”, type the import password and press Next to the end. Then close the browser completely and open it again.
help-mac = Mac, Safari and Chrome
help-mac-text = Open the .p12 file with a double click. Keychain Access asks for the import password and keeps the certificate under “login”. Then quit the browser and open it again.
help-linux = Linux, Chrome
help-linux-text = In the browser: Settings, Privacy and security, Security, Manage certificates, Your certificates, Import. Choose the .p12 file and type the import password. Then close the browser completely and open it again.
help-firefox = Firefox, everywhere
help-firefox-text = In Firefox: Settings, Privacy & Security, View Certificates, Your Certificates, Import. Choose the .p12 file and type the import password.
help-ios = iPhone and iPad
help-ios-text = Open the file from Mail or Files, then in Settings tap “Profile Downloaded”, Install, and type the import password. Use Safari.
help-android = Android, Chrome
help-android-text = Open the .p12 file, type the import password, and choose “VPN and app user certificate” when asked what it is for.
