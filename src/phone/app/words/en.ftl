# The words of the app. A line that is signed is shown as it was sent and is not here.

language = Language
one-moment = One moment
busy = One moment…
busy-lock = Waiting for the screen lock…
busy-camera = Waiting for the camera…
busy-stopping = Stopping it…
try-again = Try again
go-on = Go on
back = Back
done = Done
not-now = Not now
to-start = Back to the start
support = Support:
call-support = Call support: { $telephone }
number = Number to read out to support:
address = this app is always at

seconds-left = { $n ->
    [one] { $n } second left
   *[other] { $n } seconds left
}
minutes-left = { $n ->
    [one] { $n } minute left
   *[other] { $n } minutes left
}
just-now = just now, { $time }
minutes-ago = { $n } min ago, { $time }

home = Nothing to approve
    .text = When you sign in on your computer, the question appears here by itself.
    .install = Put the app on the home screen
    .pair = Pair with another site
    .pair-text = The other site shows a square on your computer too.
    .remove = Remove it from this phone
state-live = Connected
state-waiting = Connecting…
state-away = We cannot reach the gate. We try again by ourselves.
state-offline = This phone is offline. We try again by ourselves.
state-frozen = Frozen until our support has spoken with you. Nobody is signed in.
state-unpaired = No longer paired. Pair it again from your computer, or call support.
ends = { $days ->
    [0] The certificate of { $device } ends today
    [1] The certificate of { $device } ends tomorrow
   *[other] The certificate of { $device } ends in { $days } days
}
    .text = On { $day }. Sign in on that device before then and choose Settings, Security, Certificate to make a new one. Or call support.
ended = The certificate of { $device } has ended
    .text = It ended on { $day }. Open { $site } on that device: the page leads on to a new one. Or call support.

push-on = This phone rings when you sign in.
push-off = Let this phone ring when you sign in
    .text = It then shows that a question is here, even while the app is closed. Without it, open this app yourself each time you sign in.
    .yes = Switch on
    .busy = The phone asks you now…
push-blocked = This phone may not ring for you
    .text = Notifications of this app are blocked. In the phone's settings, choose the app or the browser, then Notifications, and allow them for { $host }. Then open this app again.
push-home-screen = To let this phone ring, put the app on the home screen
push-unavailable = This browser cannot ring for you
    .text = Open this app yourself when you sign in: the question is here.
push-gate-off = This phone does not ring
    .text = It is not switched on at the site. Open this app yourself when you sign in: the question is here.
push-failed = We could not let this phone ring
    .text = The phone's browser did not do it.
push-open = Until then, open this app yourself when you sign in: the question is here.
rings = { $site } asks for your answer
    .text = Open the app to see what it is about.

ask-sign-in = Are you signing in to { $site } on { $device }, now?
ask-new-device = Are you adding a new device, { $device }, to { $site }, now?
ask-resume-first-visit = Are you going on with your first visit to { $site } on { $device }, now?
ask-renew-certificate = Are you making a new certificate for { $device } at { $site }, now?
ask-renew-expired = Are you asking for a new certificate for { $device } at { $site }, now?
ask-pair-phone = Are you pairing another phone with { $site }, now?
ask-remove-phone = Are you removing a phone from { $site }, now?
ask-recovery-codes = Are you making new recovery codes for { $site }, now?
ask-confirm = Do you confirm this at { $site }?
ask-step-up = { $site } asks again: are you doing this on { $device }, now?
ask-other = { $site } asks: are you doing this on { $device }, now?
loud-new-device = A new device is being added. From then on it can ask to come in as you. Approve only if you sit in front of it.
loud-resume-first-visit = A first visit broke off and is being taken up again. Approve only if you sit in front of that device.
loud-renew-certificate = A new certificate is being made. Whoever has it can ask to come in as you. Approve only if you asked for it.
loud-renew-expired = A certificate that ended is being replaced. Approve only if you asked for it and spoke with our support.
loud-pair-phone = Another phone is being added. From then on it can approve as you. Approve only if it is yours and in your hand.
loud-remove-phone = A phone is being removed. It can then approve nothing any more.
loud-recovery-codes = Ten new codes are being made. Whoever has one, and your password, can pair a phone as you. The old ones end.
loud-confirm = Look at each line. What you approve is carried out, and cannot be changed afterwards.
row-reason = What for
row-who = Who
row-device = Device
row-browser = Browser
row-from = From
row-when = When
row-site = Site
from-address = network address { $address }
from-place = { $place } (network address { $address })
digits = Type the six digits from your computer
    .missing = Type the six digits that your computer shows.
approve = Approve
not-me = Not me
approved = Approved
    .text = Your computer moves on by itself. You can put the phone away.
frozen = We have stopped it. Nobody is signed in.
    .text = Your access is frozen until our support has spoken with you. Whatever was signed in as you has been signed out.
    .ring-or = We ring you at the number we have. Or call us:
    .ring = We ring you at the number we have. Or call our support.
    .then = Nothing else is to be done on this phone. This page moves on by itself once our support has opened your access again.
    .others = Other sites on this phone
over = This question is over
    .text = It was answered, or a newer one took its place.
    .approved = It was approved on another phone of yours.
    .denied = Somebody answered “Not me” on another phone of yours.
    .wrong-digits = Other digits were typed three times.
    .withdrawn = Your computer gave it up.
    .expired = Nobody answered in time.
newer = A newer question took the place of the one that stood here. If you did not ask twice yourself, choose “Not me”.
time-over = The time for this question is over
    .text = Nothing was approved.
again = If you still want to sign in, start again on your computer.

history = Last approvals
    .text = What you were asked lately. If one of them was not you, say so: it is never too late.
    .none = Nothing was asked yet.
not-mine = This was not me
    .sure = Was this somebody else?
    .text = If you say yes, everything that is signed in as you is signed out, and nobody can sign in as you until our support has spoken with you.
    .yes = Yes, stop everything
end-approved = Approved by { $phone }, { $time }
end-denied = “Not me”, said by { $phone }, { $time }
end-wrong-digits = Ended after three wrong numbers
end-superseded = A newer question took its place
end-withdrawn = Given up on the computer
end-expired = Not answered in time
this-phone = this phone
other-phone = another phone
what-sign-in = Sign in
what-new-device = Sign in on a new device
what-resume-first-visit = Go on with the first visit
what-renew-certificate = Make a new certificate
what-renew-expired = Replace a certificate that ended
what-pair-phone = Pair another phone
what-remove-phone = Remove a phone
what-recovery-codes = Make new recovery codes

checking = We look whether this phone has what it takes.
link = Pair this phone?
    .text = You opened a link from a square on a computer. Only go on if that computer is in front of you and you asked for it yourself.
    .yes = Pair this phone
welcome = Pair this phone
    .text = Your computer shows a square. This phone reads it with its camera, and from then on you approve here what you do there.
    .scan = Scan the square
home-screen = Put this app on your home screen first
    .text = An iPhone keeps the app's key only there.
    .one = Tap the share button: a square with an arrow.
    .two = Tap “Add to Home Screen”, then “Add”.
    .three = Open Portcullis from the home screen and scan the square from there.
    .picture = Two screens of an iPhone. On the first the share button, a square with an arrow, is marked. On the second the line with a plus sign in a square.
    .anyway = Go on here all the same
paste = No camera at hand?
    .text = Below the square stands a link. Open it on this phone, or paste it here.
    .label = Link from your computer
    .wrong = That is not a link from your computer. It begins with { $start }
    .go = Go on with the link
scan = Point the phone at the square
    .picture = Picture of the camera
    .looking = Looking for the square…
    .other = That is another square. We look for the one on your computer's page.
    .hint = We have not found it yet. Hold the phone so that the whole square is in the picture, a hand's width away, and wipe the lens.
    .stop = Stop
pairing = We tell the gate that this phone is here.
are-you = Are you { $person }?
    .text = This phone will approve for { $person } at { $site }. It now makes a key behind its screen lock: the phone asks for your PIN, fingerprint or face.
    .yes = Yes, go on
    .no = No, stop
words = Does your computer show { $one } and { $two }?
    .text = Now answer on your computer. This page moves on by itself.
    .no = No, other words
paired = This phone is paired
    .text = Go back to your computer: it moves on by itself.

# What does not go on, by its code: a sentence, why, and the next step.
problem = That did not work
    .next = Close the app, open it again and try once more.
problem-offline = This phone is offline
    .detail = The app is here, but it cannot reach the gate.
    .next = Switch on Wi-Fi or mobile data, then try again.
problem-unreachable = The gate did not answer
    .detail = The connection broke off, or took longer than 20 seconds.
    .next = Check the connection and try again. If it stays like this, call support.
problem-no-storage = This browser keeps nothing
    .detail = A paired phone must remember its key. A private window forgets it.
    .next = Open this page in a normal window, not a private one, then try again.
problem-no-lock = This phone needs a screen lock
    .detail = The app signs for you only after your PIN, fingerprint or face. We found none that a web page may use.
    .next = Switch on a screen lock in the phone's settings, then come back and try again. If it is on, open this page in Chrome or Safari.
problem-nothing-seen = We have not found the square
    .detail = We looked for two minutes and switched the camera off.
    .next = See that the square is on your computer's screen and bright enough. Or use the link below it.
problem-camera-denied = We may not use the camera
    .detail = The camera is only for reading the square. No picture leaves the phone.
    .next = Allow the camera for this page in the browser's settings and try again. Or use the phone's own camera app: point it at the square and tap the link.
problem-camera-missing = We cannot reach a camera
    .detail = Another app may be using it, or this device has none.
    .next = Close other apps and try again. Or open the link that stands below the square on your computer.
problem-lock-late = The phone did not answer
    .detail = We waited a minute for its screen lock.
    .next = Try again. If it happens twice, restart the phone.
problem-lock-refused = The phone was not unlocked
    .detail = Its screen lock was cancelled, or did not recognise you.
    .next = Try again and unlock the phone when it asks.
problem-lock-missing = This phone's screen lock cannot be used here
    .detail = The app needs the phone's PIN, fingerprint or face to sign for you.
    .next = Switch on a screen lock in the phone's settings, then try again. If it is on, call support.
problem-refused = Your computer said no
    .detail = This phone is not paired.
    .next = If you did not say no yourself, call support. Otherwise show a new square and scan it.
problem-differ = We have stopped it. This phone is not paired.
    .detail = Other words mean that somebody may have come between.
    .next = Call support before you try again.
problem-contested = Two phones came with the same square
    .detail = So that nobody else's phone is paired, we have stopped both.
    .next = If the other one was not yours, call support. Then show a new square and scan it once.
problem-pairing-over = The time for pairing is over
    .detail = Your computer did not answer within five minutes, or it shows a newer square.
    .next = Show a new square on your computer and scan that.
problem-malformed = We did not understand the app
    .detail = The app may be older than the gate.
    .next = Close the app, open it again, and try once more.
problem-too-large = That was more than we take
    .detail = The app sends a few hundred bytes.
    .next = Close the app, open it again, and try once more.
problem-not-found = There is nothing at this address
    .detail = The app may be older than the gate.
    .next = Close the app and open it again.
problem-method = Not in this way
    .detail = The app may be older than the gate.
    .next = Close the app and open it again.
problem-unpaired = This phone is not paired
    .detail = The gate does not know this phone, or not any more.
    .next = Pair it again from your computer, or call support.
problem-frozen = We have stopped it. Nobody is signed in.
    .detail = Your access is frozen until our support has spoken with you.
    .next = We ring you at the number we have, or call support.
problem-shut-out = Access is switched off for now
    .detail = Support has locked this access.
    .next = Call support.
problem-unsigned = We could not be sure that this is your phone
    .detail = The call was not signed.
    .next = Try again; then pair the phone again.
problem-signature = The phone's signature does not fit
    .detail = Nothing was approved.
    .next = Try again. If it happens twice, call support.
problem-clock = Your phone's clock differs from ours
    .detail = It differs by more than a minute.
    .next = Set date and time of the phone to automatic, then try again.
problem-replayed = We could not be sure that this is your phone
    .detail = We have heard this call before.
    .next = Try again; then pair the phone again.
problem-too-many = That was too often
    .detail = This phone calls too often.
    .next = Wait two minutes, then try again.
problem-busy = One moment
    .detail = Something else came at the same time.
    .next = Try again in a few seconds.
problem-internal = Something of ours went wrong
    .detail = { $sure ->
    [1] Nothing was changed.
   *[other] It is not known whether this was done.
}
    .next = Try again in a minute; if it happens again, call support with the number below.
problem-unknown = This question is gone
    .detail = It is not there any more.
    .next = If you still want to sign in, start again on your computer.
problem-answered = This was already answered
    .detail = An answer was given before.
    .next = If you still want to sign in, start again on your computer.
problem-expired = The time for this question is over
    .detail = Nothing was approved.
    .next = If you still want to sign in, start again on your computer.
problem-not-six-digits = Six digits, please
    .detail = These are not six digits.
    .next = Type the six digits that your computer shows.
problem-wrong-digits = { $left ->
    [0] Three times other digits: we have ended this question
   *[other] Your computer shows other digits
}
    .detail = { $left ->
    [0] Nobody is signed in by it.
    [one] You can try { $left } more time.
   *[other] You can try { $left } more times.
}
    .next = { $left ->
    [0] If it was you, start again on your computer. If not, call support.
   *[other] Look at your computer and type the six digits it shows now.
}
problem-phone-blocked = Five wrong numbers in a row: this phone is blocked
    .detail = Nobody is signed in. So that nobody can guess, this phone answers nothing until support opens it.
    .next = Call support. If you did not type these numbers yourself, say so.
problem-too-soon = One moment, please
    .detail = After a wrong number the next one is heard a few seconds later.
    .next = Look at your computer, and type the six digits it shows now.
problem-gone = This square cannot be used any more
    .detail = A square is good for five minutes and for one phone.
    .next = Show a new one on your computer and scan that.
problem-has-phone = You have a paired phone already
    .detail = A phone is paired already: replacing it goes through support.
    .next = Call support to replace it.
problem-credential = The phone's new key could not be taken
    .detail = It is not one that the gate takes.
    .next = Show a new square on your computer and scan it. If it happens twice, call support.
problem-push-slow = The push service of this phone's browser did not answer.
problem-push-off = This gate wakes no phones
    .detail = It is not switched on at the site.
    .next = Open the app yourself when you sign in: the question is here.
problem-push-key = We cannot wake this phone
    .detail = What its browser gave was made with another key.
    .next = Open the app again. Until then, open it yourself when you sign in: the question is here.
problem-push-subscription = We cannot wake this phone
    .detail = What its browser gave cannot be used.
    .next = Open the app yourself when you sign in: the question is here.
