//! What can happen: the closed list of events of the audit trail. A word, once written, stays.

use serde::{Deserialize, Serialize};

macro_rules! events {
    ($($name:ident = $word:literal, $meaning:literal;)*) => {
        /// What happened. Whoever needs another event adds it here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum Event {
            $(#[doc = $meaning] $name,)*
        }

        impl Event {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As the trail, lists and the API write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// In words, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// Reads what [`Event::as_str`] writes.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

events! {
    TenantCreated = "tenant.created", "A tenant was created.";
    TenantChanged = "tenant.changed", "A tenant's settings were changed.";
    PersonCreated = "person.created", "A person was recorded.";
    PersonLocked = "person.locked", "A person was locked out.";
    PersonUnlocked = "person.unlocked", "A person was let in again.";
    DeviceCreated = "device.created", "A device was recorded.";
    DeviceReleased = "device.released", "Support released a device.";
    DeviceRejected = "device.rejected", "Support turned a device away.";
    DeviceActivated = "device.activated", "A device was signed in with all factors for the first time.";
    DeviceRetired = "device.retired", "A device was taken out of use.";
    CertificateIssued = "certificate.issued", "A certificate was issued.";
    CertificateRevoked = "certificate.revoked", "A certificate was revoked.";
    CertificateRenewed = "certificate.renewed", "Another certificate was issued for a device.";
    CertificateForgotten = "certificate.forgotten", "A certificate that no longer counts was taken off its owner's list.";
    DeviceLost = "device.lost", "A device was reported lost by its owner.";
    DeliveryOpened = "delivery.opened", "A one-time link for a .p12 was made.";
    DeliveryMailed = "delivery.mailed", "A .p12 was sent as an attachment.";
    DeliveryLinkMailed = "delivery.link-mailed", "A one-time link for a .p12 was sent by mail.";
    DeliveryNotMailed = "delivery.not-mailed", "A .p12, or a link for one, could not be sent by mail.";
    DeliveryWrong = "delivery.wrong", "A wrong import password was typed for a one-time link.";
    DeliveryDead = "delivery.dead", "A one-time link died of wrong import passwords.";
    RequestTaken = "request.taken", "A certificate request (CSR) was taken.";
    EnrolSecretMade = "enrol-secret.made", "A one-time secret for EST was made.";
    EnrolSecretWrong = "enrol-secret.wrong", "A wrong one-time secret was shown for EST.";
    ExpiredAsked = "expired.asked", "Somebody whose certificate ended asked for a new one.";
    ExpiredReleased = "expired.released", "Support released the renewal of a certificate that ended.";
    RenewalBegan = "renewal.began", "A renewal of a certificate that ended began.";
    RenewalStepped = "renewal.stepped", "A renewal of a certificate that ended took up an approval.";
    RenewalGivenUp = "renewal.given-up", "A renewal of a certificate that ended was given up.";
    ReminderQueued = "reminder.queued", "A reminder that a certificate ends was queued.";
    BulkBegun = "bulk.begun", "An issue in bulk was begun.";
    BulkEnded = "bulk.ended", "An issue in bulk ended.";
    HistoryExported = "history.exported", "The issue history was exported.";
    CaRotated = "ca.rotated", "A new issuing CA took another's place.";
    CaRequested = "ca.requested", "A request for a new issuing CA was written.";
    CaRootAway = "ca.root-away", "The keys of the roots were taken off the machine.";
    CaResealed = "ca.resealed", "The keys of the CAs were sealed anew.";
    CaBackedUp = "ca.backed-up", "The CAs were backed up.";
    CaRestored = "ca.restored", "The CAs were restored from a backup.";
    GrantMade = "grant.made", "A grant to issue a certificate was made.";
    CertificateSuperseded = "certificate.superseded", "A newer certificate took another's place.";
    CodeShown = "code.shown", "A first visit's code was shown.";
    CodeRight = "code.right", "Support typed the right code.";
    CodeWrong = "code.wrong", "Support typed a wrong code.";
    WordRight = "word.right", "The client picked the word that support said.";
    WordWrong = "word.wrong", "The client picked another word than support said.";
    EnrolmentReplaced = "enrolment.replaced", "A first visit began anew in another browser.";
    PairingOpened = "pairing.opened", "A square that pairs a phone was shown.";
    PairingBegun = "pairing.begun", "A phone presented a pairing's secret.";
    PairingClaimed = "pairing.claimed", "A phone made its credential for a pairing.";
    PairingConfirmed = "pairing.confirmed", "A pairing was confirmed on the desktop.";
    PairingRefused = "pairing.refused", "A pairing was refused.";
    PairingContested = "pairing.contested", "Two phones came with the same square.";
    PushSubscribed = "push.subscribed", "A phone may be woken by push.";
    PushDropped = "push.dropped", "A phone is woken by push no more.";
    PushKeyRotated = "push.key-rotated", "A new key for push was made.";
    PhoneRenamed = "phone.renamed", "A phone was given another name.";
    PhoneRemoved = "phone.removed", "A phone was removed; its key ended.";
    PhoneAgreed = "phone.agreed", "A paired phone agreed to another one.";
    PasswordSet = "password.set", "A password was set.";
    PasswordRight = "password.right", "A password was right.";
    PasswordWrong = "password.wrong", "A password was wrong.";
    RecoveryCodesMade = "recovery.codes-made", "Ten recovery codes were made; older ones count no more.";
    RecoveryCodesKept = "recovery.codes-kept", "The owner of recovery codes said that they are put away.";
    RecoveryCodeRight = "recovery.code-right", "A recovery code was right, and was reserved for a new phone.";
    RecoveryCodeWrong = "recovery.code-wrong", "A wrong recovery code was typed.";
    RecoveryGivenUp = "recovery.given-up", "The replacement of a lost phone was given up.";
    RecoveryReleased = "recovery.released", "Support released the replacement of a lost phone; a second agent must confirm it.";
    RecoveryConfirmed = "recovery.confirmed", "A second agent confirmed the replacement of a lost phone.";
    PhoneReplaced = "phone.replaced", "A new phone took the place of a lost one, whose key ended.";
    ApprovalAsked = "approval.asked", "A question was put to a phone.";
    ApprovalApproved = "approval.approved", "A phone approved.";
    ApprovalDenied = "approval.denied", "A phone said \"not me\".";
    ApprovalWrongDigits = "approval.wrong-digits", "Wrong digits were typed on a phone.";
    ApprovalOffline = "approval.offline", "A question was shown as a square, for a phone without a network.";
    ApprovalBadSignature = "approval.bad-signature", "A phone's answer was not signed as it should be.";
    ApprovalWithdrawn = "approval.withdrawn", "The desktop gave up waiting for the phone.";
    ApprovalSuperseded = "approval.superseded", "A newer question took another's place.";
    ConfirmationKept = "confirmation.kept", "A request was kept, because its backend wants it confirmed.";
    ConfirmationAsked = "confirmation.asked", "A phone was asked to confirm a request.";
    ConfirmationTakenOver = "confirmation.taken-over", "A new session of the same certificate took a confirmation over.";
    ConfirmationApproved = "confirmation.approved", "A request was confirmed on the phone.";
    ConfirmationSent = "confirmation.sent", "A confirmed request was sent to its backend, with its receipt.";
    ConfirmationDone = "confirmation.done", "A backend answered a confirmed request.";
    ConfirmationUnknown = "confirmation.unknown", "A confirmed request was sent, and no answer came.";
    ConfirmationRefused = "confirmation.refused", "A request that was to be confirmed was not sent.";
    ConfirmationExpired = "confirmation.expired", "A request was not confirmed in time, and not sent.";
    SessionBegan = "session.began", "A session began.";
    SessionStepped = "session.stepped", "A session took up an approval.";
    SessionAimed = "session.aimed", "A session was sent to prove more, for another page.";
    SessionEnded = "session.ended", "A session ended.";
    SessionElsewhere = "session.elsewhere", "A session's cookie came with another certificate.";
    PolicyApplied = "policy.applied", "Rules were applied.";
    RouteSet = "route.set", "A route was set.";
    RouteRemoved = "route.removed", "A route was taken away.";
    CaCreated = "ca.created", "A certificate authority was created.";
    CrlSigned = "crl.signed", "A revocation list was signed.";
    BreakglassUsed = "breakglass.used", "A device was released on the machine, past the desk.";
    ThrottleCounted = "throttle.counted", "A try was counted before it was heard.";
    ThrottleEased = "throttle.eased", "A try that succeeded was taken off the count of its address.";
    ThrottleBlocked = "throttle.blocked", "Too many wrong tries in a row: blocked until the desk unlocks.";
    RequestRefused = "request.refused", "A request was refused.";
    HouseStarted = "house.started", "The gate was started.";
    HouseHandedOver = "house.handed-over", "The gate goes on as another process.";
    SettingsReloaded = "settings.reloaded", "The configuration was read again and taken up.";
    SettingsRefused = "settings.refused", "The configuration was read again and has mistakes; nothing changed.";
    NoticeQueued = "notice.queued", "A notice was queued.";
    NoticeSent = "notice.sent", "A notice was sent.";
    NoticeFailed = "notice.failed", "A notice was not sent; it is tried again.";
}

/// A word that is no event of this release.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no event of this release: read it with the release that wrote it")]
pub struct UnknownEvent(String);

impl TryFrom<String> for Event {
    type Error = UnknownEvent;
    fn try_from(word: String) -> Result<Self, UnknownEvent> {
        Self::parse(&word).ok_or(UnknownEvent(word))
    }
}

impl From<Event> for &'static str {
    fn from(event: Event) -> Self {
        event.as_str()
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_its_own_word() {
        let words: std::collections::BTreeSet<_> = Event::ALL.iter().map(|event| event.as_str()).collect();
        assert_eq!(words.len(), Event::ALL.len());
        for event in Event::ALL {
            assert_eq!(Event::parse(event.as_str()), Some(*event));
        }
    }
}
