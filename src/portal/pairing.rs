//! One more phone, in the settings: the square, the two words, the yes, in the session to which a phone agreed. Knows
//! not how it agreed: that is `phones`.

use axum::body::Body;
use http::{Response, StatusCode};

use super::phones::{Agreed, Change, EVENTS, PAIR, PHONES};
use super::{Answer, Here, Portal};
use crate::domain::{Reason, Secret, Time};
use crate::enrolment::pairing::{self, Ground, Opening, Verdict, agreed_by};
use crate::notify::{self, About};
use crate::web::form::Form;
use crate::web::page::{Head, see_other};
use crate::web::pages::{Page as _, sign_in as pages};
use crate::web::sse;

impl Portal {
    /// The page that comes next.
    pub(super) async fn pairing(&self, here: &Here<'_>) -> Answer {
        let Some(agreed) = self.agreed_to(here) else { return Ok(see_other(PHONES)) };
        let now = here.visit.now;
        let (page, csrf) = (Head::of(here.visit), here.csrf.clone());
        let found = self.parts.pairings.of_session(here.session.token()).await.map_err(Reason::from)?;
        let standing = match &found {
            Some(found) => self.parts.pairings.state(&found.id).await.map_err(Reason::from)?,
            None => pairing::Standing::Expired,
        };
        Ok(match standing {
            pairing::Standing::Claimed { words, phone, .. } => {
                let action = format!("{PAIR}words");
                pages::TwoWords { page, csrf, words, phone, action }.response(StatusCode::OK)
            }
            pairing::Standing::Refused | pairing::Standing::Contested => {
                let (why, again_action) = (pages::EndedWhy::OtherWordsFurther, format!("{PAIR}square"));
                pages::Ended {
                    page,
                    csrf,
                    why,
                    number: String::new(),
                    again_action,
                    stop_action: String::new(),
                }
                .response(StatusCode::OK)
            }
            pairing::Standing::Confirmed => see_other(PHONES),
            standing @ (pairing::Standing::Open { .. }
            | pairing::Standing::Begun
            | pairing::Standing::Expired) => {
                let shown = self.squares.get(here.session.token(), now);
                let shown = shown.filter(|(id, _)| found.as_ref().is_some_and(|found| found.id == *id));
                let (link, until) = match (shown, standing, found) {
                    (Some((_, link)), pairing::Standing::Open { until }, _) => (link, until),
                    (Some((_, link)), pairing::Standing::Begun, Some(found)) => (link, found.expires),
                    _ => return self.open_square(here, &agreed).await.map(|()| see_other(PAIR)),
                };
                self.square(here, &link, until)
            }
        })
    }

    /// A new square, or the answer to the two words.
    pub(super) async fn pairing_taken(&self, here: &Here<'_>, doing: &str, form: &Form) -> Answer {
        let Some(agreed) = self.agreed_to(here) else { return Ok(see_other(PHONES)) };
        match doing {
            "square" => self.open_square(here, &agreed).await.map(|()| see_other(PAIR)),
            "words" => self.words(here, &agreed, form.text("same") == "yes").await,
            _ => Err(Reason::NotFound),
        }
    }

    fn square(&self, here: &Here<'_>, link: &Secret, until: Time) -> Response<Body> {
        pages::Pair {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            square: pages::qr(link.expose()).unwrap_or_default(),
            link: link.expose().to_owned(),
            phone_host: self.parts.questions.phone_host().to_owned(),
            left_secs: until.since(here.visit.now).as_secs(),
            total_secs: pairing::STEP_LASTS.as_secs(),
            renew_action: format!("{PAIR}square"),
            events: sse::waits_at(EVENTS, here.seen),
            back: PHONES.to_owned(),
        }
        .response(StatusCode::OK)
    }

    async fn open_square(&self, here: &Here<'_>, agreed: &Agreed) -> Result<(), Reason> {
        let one = here.certificate;
        let opening = Opening {
            tenant: one.tenant().clone(),
            person: one.person_id().clone(),
            device: one.device_id().clone(),
            session: *here.session.token(),
            from: here.visit.address,
            ground: ground(agreed),
        };
        let (pairing, secret) = self.parts.pairings.open(opening).await.map_err(Reason::from)?;
        let link = self.parts.pairings.link(&pairing, &secret);
        self.squares.put(here.session.token(), here.visit.now, pairing.expires, (pairing.id, link));
        Ok(())
    }

    async fn words(&self, here: &Here<'_>, agreed: &Agreed, same: bool) -> Answer {
        let (token, from) = (here.session.token(), here.visit.address);
        let found = self.parts.pairings.of_session(token).await.map_err(Reason::from)?;
        let Some(found) = found else { return Ok(see_other(PAIR)) };
        if !same {
            let refused = self.parts.pairings.confirm(&found.id, token, Verdict::No, from).await;
            return refused.map(|_| see_other(PAIR)).map_err(Reason::from);
        }
        // Every address is told in the commit that makes the phone.
        let phone = match self.parts.pairings.state(&found.id).await.map_err(Reason::from)? {
            pairing::Standing::Claimed { phone, .. } => phone,
            _ => return Ok(see_other(PAIR)),
        };
        let (tenant, person) = (&here.visit.tenant, here.certificate.person());
        let about = About::PhonePaired { phone };
        let also = notify::queue(&self.parts.world, tenant, person, about).into_iter().collect();
        let released_by = Some(agreed_by(&agreed.approval));
        let verdict = Verdict::Yes { released_by, also, ground: ground(agreed) };
        self.parts.pairings.confirm(&found.id, token, verdict, from).await.map_err(Reason::from)?;
        self.changes.forget(token);
        self.squares.forget(token);
        Ok(see_other(PHONES))
    }

    fn agreed_to(&self, here: &Here<'_>) -> Option<Agreed> {
        match self.changes.get(here.session.token(), here.visit.now)? {
            Change::Agreed(agreed) if here.visit.now < agreed.until => Some(agreed),
            _ => None,
        }
    }
}

fn ground(agreed: &Agreed) -> Ground {
    Ground::Another { approval: agreed.approval.clone(), replaces: agreed.replaces.clone() }
}
