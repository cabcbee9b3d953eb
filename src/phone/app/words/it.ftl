# Le parole dell’app. Ciò che si firma appare come è stato inviato e non sta qui.

language = Lingua
one-moment = Un momento
busy = Un momento…
busy-lock = Attendiamo il blocco dello schermo…
busy-camera = Attendiamo la fotocamera…
busy-stopping = Lo fermiamo…
try-again = Riprova
go-on = Avanti
back = Indietro
done = Fatto
not-now = Non ora
to-start = Torna all’inizio
support = Assistenza:
call-support = Chiama l’assistenza: { $telephone }
number = Numero da leggere all’assistenza:
address = questa app è sempre all’indirizzo

seconds-left = { $n ->
    [one] Ancora { $n } secondo
   *[other] Ancora { $n } secondi
}
minutes-left = { $n ->
    [one] Ancora { $n } minuto
   *[other] Ancora { $n } minuti
}
just-now = proprio ora, { $time }
minutes-ago = { $n } min fa, { $time }

home = Niente da confermare
    .text = Quando accede dal computer, la domanda appare qui da sola.
    .install = Metti l’app nella schermata Home
    .pair = Associa a un altro sito
    .pair-text = Anche l’altro sito mostra un quadrato sul computer.
    .remove = Rimuovi da questo telefono
state-live = Connesso
state-waiting = Connessione in corso…
state-away = Non raggiungiamo il server. Riproviamo da soli.
state-offline = Questo telefono è offline. Riproviamo da soli.
state-frozen = Bloccato finché la nostra assistenza non ha parlato con Lei. Nessuno ha effettuato l’accesso.
state-unpaired = Non più associato. Lo associ di nuovo dal computer o chiami l’assistenza.
ends = { $days ->
    [0] Il certificato di { $device } scade oggi
    [1] Il certificato di { $device } scade domani
   *[other] Il certificato di { $device } scade tra { $days } giorni
}
    .text = Il { $day }. Prima di allora acceda da quel dispositivo e scelga Impostazioni, Sicurezza, Certificato per crearne uno nuovo. Oppure chiami l’assistenza.
ended = Il certificato di { $device } è scaduto
    .text = È scaduto il { $day }. Apra { $site } su quel dispositivo: la pagina La porta a uno nuovo. Oppure chiami l’assistenza.

push-on = Questo telefono La avvisa quando accede.
push-off = Lasci che questo telefono La avvisi quando accede
    .text = Mostra allora che c’è una domanda, anche quando l’app è chiusa. Altrimenti apra Lei stesso questa app a ogni accesso.
    .yes = Attivare
    .busy = Il telefono ora Le chiede…
push-blocked = Questo telefono non può avvisarla
    .text = Le notifiche di questa app sono bloccate. Nelle impostazioni del telefono scelga l’app o il browser, poi Notifiche, e le consenta per { $host }. Poi apra di nuovo questa app.
push-home-screen = Perché questo telefono La avvisi, metta l’app nella schermata Home
push-unavailable = Questo browser non può avvisarla
    .text = Apra Lei stesso questa app quando accede: la domanda è qui.
push-gate-off = Questo telefono non avvisa
    .text = Il sito non lo ha attivato. Apra Lei stesso questa app quando accede: la domanda è qui.
push-failed = Non siamo riusciti a fare in modo che questo telefono La avvisi
    .text = Il browser del telefono non lo ha fatto.
push-open = Fino ad allora apra Lei stesso questa app quando accede: la domanda è qui.
rings = { $site } attende la Sua risposta
    .text = Apra l’app per vedere di che cosa si tratta.

ask-sign-in = Sta accedendo a { $site } da { $device }, adesso?
ask-new-device = Sta aggiungendo un nuovo dispositivo, { $device }, a { $site }, adesso?
ask-resume-first-visit = Sta riprendendo la Sua prima visita a { $site } da { $device }, adesso?
ask-renew-certificate = Sta creando un nuovo certificato per { $device } presso { $site }, adesso?
ask-renew-expired = Sta chiedendo un nuovo certificato per { $device } presso { $site }, adesso?
ask-pair-phone = Sta associando un altro telefono a { $site }, adesso?
ask-remove-phone = Sta rimuovendo un telefono da { $site }, adesso?
ask-recovery-codes = Sta creando nuovi codici di emergenza per { $site }, adesso?
ask-confirm = Conferma questo presso { $site }?
ask-step-up = { $site } chiede di nuovo: sta facendo questo da { $device }, adesso?
ask-other = { $site } chiede: sta facendo questo da { $device }, adesso?
loud-new-device = Si aggiunge un nuovo dispositivo. In seguito potrà chiedere l’accesso a Suo nome. Confermi solo se Lei vi sta davanti.
loud-resume-first-visit = Si riprende una prima visita interrotta. Confermi solo se Lei sta davanti a quel dispositivo.
loud-renew-certificate = Si crea un nuovo certificato. Chi lo possiede può chiedere l’accesso a Suo nome. Confermi solo se lo ha chiesto Lei.
loud-renew-expired = Si sostituisce un certificato scaduto. Confermi solo se lo ha chiesto Lei e ha parlato con la nostra assistenza.
loud-pair-phone = Si aggiunge un altro telefono. In seguito potrà confermare a Suo nome. Confermi solo se è Suo e lo ha in mano.
loud-remove-phone = Si rimuove un telefono. In seguito non potrà più confermare nulla.
loud-recovery-codes = Si creano dieci nuovi codici. Chi ne ha uno, e la Sua password, può associare un telefono a Suo nome. I vecchi non valgono più.
loud-confirm = Guardi ogni riga. Ciò che conferma viene eseguito e poi non si può più cambiare.
row-reason = Per che cosa
row-who = Chi
row-device = Dispositivo
row-browser = Browser
row-from = Da
row-when = Quando
row-site = Sito
from-address = indirizzo di rete { $address }
from-place = { $place } (indirizzo di rete { $address })
digits = Digiti le sei cifre del Suo computer
    .missing = Digiti le sei cifre che il Suo computer mostra.
approve = Conferma
not-me = Non sono io
approved = Confermato
    .text = Il Suo computer prosegue da solo. Può riporre il telefono.
frozen = L’abbiamo fermato. Nessuno ha effettuato l’accesso.
    .text = Il Suo accesso è bloccato finché la nostra assistenza non ha parlato con Lei. Tutto ciò che era connesso a Suo nome è stato disconnesso.
    .ring-or = La chiamiamo al numero che abbiamo. Oppure ci chiami:
    .ring = La chiamiamo al numero che abbiamo. Oppure chiami la nostra assistenza.
    .then = Su questo telefono non c’è altro da fare. Questa pagina prosegue da sola appena la nostra assistenza ha riaperto il Suo accesso.
    .others = Altri siti su questo telefono
over = Questa domanda è chiusa
    .text = Ha avuto risposta, oppure una più recente ha preso il suo posto.
    .approved = È stata approvata su un altro Suo telefono.
    .denied = Su un altro Suo telefono qualcuno ha risposto «Non sono io».
    .wrong-digits = Per tre volte sono state digitate altre cifre.
    .withdrawn = Il Suo computer ha rinunciato.
    .expired = Nessuno ha risposto in tempo.
newer = Una domanda più recente ha preso il posto di quella che era qui. Se non ha chiesto due volte Lei stesso, scelga «Non sono io».
time-over = Il tempo per questa domanda è scaduto
    .text = Non è stato confermato nulla.
again = Se vuole ancora accedere, ricominci dal computer.

history = Ultime conferme
    .text = Ciò che Le è stato chiesto di recente. Se una volta non era Lei, ce lo dica: non è mai troppo tardi.
    .none = Finora non è stato chiesto nulla.
not-mine = Non ero io
    .sure = Era qualcun altro?
    .text = Se dice di sì, tutto ciò che è connesso a Suo nome viene disconnesso e nessuno può più accedere a Suo nome finché la nostra assistenza non ha parlato con Lei.
    .yes = Sì, ferma tutto
end-approved = Confermato: { $phone }, { $time }
end-denied = «Non sono io»: { $phone }, { $time }
end-wrong-digits = Chiusa dopo tre numeri sbagliati
end-superseded = Una domanda più recente ha preso il suo posto
end-withdrawn = Abbandonata sul computer
end-expired = Senza risposta in tempo
this-phone = questo telefono
other-phone = un altro telefono
what-sign-in = Accedere
what-new-device = Accedere da un nuovo dispositivo
what-resume-first-visit = Riprendere la prima visita
what-renew-certificate = Creare un nuovo certificato
what-renew-expired = Sostituire un certificato scaduto
what-pair-phone = Associare un altro telefono
what-remove-phone = Rimuovere un telefono
what-recovery-codes = Creare nuovi codici di emergenza

checking = Verifichiamo se questo telefono ha tutto il necessario.
link = Associare questo telefono?
    .text = Ha aperto un link da un quadrato su un computer. Prosegua solo se quel computer è davanti a Lei e lo ha chiesto Lei.
    .yes = Associa questo telefono
welcome = Associ questo telefono
    .text = Il computer mostra un quadrato. Questo telefono lo legge con la fotocamera; da allora conferma qui ciò che fa là.
    .scan = Leggi il quadrato
home-screen = Metta prima questa app nella schermata Home
    .text = Un iPhone conserva la chiave dell’app solo lì.
    .one = Tocchi il pulsante di condivisione: un quadrato con una freccia.
    .two = Tocchi «Aggiungi alla schermata Home», poi «Aggiungi».
    .three = Apra Portcullis dalla schermata Home e legga il quadrato da lì.
    .picture = Due schermate di un iPhone. Sulla prima è segnato il tasto di condivisione, un quadrato con una freccia. Sulla seconda la riga con un segno più in un quadrato.
    .anyway = Prosegui qui comunque
paste = Nessuna fotocamera a portata di mano?
    .text = Sotto il quadrato c’è un link. Lo apra su questo telefono o lo incolli qui.
    .label = Link dal Suo computer
    .wrong = Non è un link del Suo computer. Comincia con { $start }
    .go = Prosegui con il link
scan = Punti il telefono verso il quadrato
    .picture = Immagine della fotocamera
    .looking = Cerchiamo il quadrato…
    .other = È un altro quadrato. Cerchiamo quello sulla pagina del Suo computer.
    .hint = Non l’abbiamo ancora trovato. Tenga il telefono in modo che tutto il quadrato sia nell’immagine, a un palmo di distanza, e pulisca l’obiettivo.
    .stop = Ferma
pairing = Annunciamo questo telefono al server.
are-you = Lei è { $person }?
    .text = Questo telefono confermerà per { $person } presso { $site }. Ora crea una chiave dietro il blocco dello schermo: il telefono chiede PIN, impronta o viso.
    .yes = Sì, avanti
    .no = No, ferma
words = Il Suo computer mostra { $one } e { $two }?
    .text = Ora risponda sul computer. Questa pagina prosegue da sola.
    .no = No, altre parole
paired = Questo telefono è associato
    .text = Torni al computer: prosegue da solo.

# Ciò che non va avanti, secondo il codice: una frase, il perché e il passo seguente.
problem = Non ha funzionato
    .next = Chiuda l’app, la riapra e riprovi.
problem-offline = Questo telefono è offline
    .detail = L’app c’è, ma non raggiunge il server.
    .next = Attivi il Wi-Fi o i dati mobili, poi riprovi.
problem-unreachable = Il server non ha risposto
    .detail = La connessione si è interrotta o ha richiesto più di 20 secondi.
    .next = Verifichi la connessione e riprovi. Se non cambia, chiami l’assistenza.
problem-no-storage = Questo browser non conserva nulla
    .detail = Un telefono associato deve ricordare la sua chiave. Una finestra privata la dimentica.
    .next = Apra questa pagina in una finestra normale, non privata, poi riprovi.
problem-no-lock = Questo telefono ha bisogno di un blocco dello schermo
    .detail = L’app firma per Lei solo dopo PIN, impronta o viso. Non ne abbiamo trovato alcuno che una pagina web possa usare.
    .next = Attivi un blocco dello schermo nelle impostazioni del telefono, poi riprovi. Se è attivo, apra questa pagina in Chrome o Safari.
problem-nothing-seen = Non abbiamo trovato il quadrato
    .detail = Abbiamo cercato per due minuti e spento la fotocamera.
    .next = Verifichi che il quadrato sia sullo schermo del computer e abbastanza luminoso. Oppure usi il link sotto.
problem-camera-denied = Non possiamo usare la fotocamera
    .detail = La fotocamera serve solo a leggere il quadrato. Nessuna immagine lascia il telefono.
    .next = Consenta la fotocamera per questa pagina nelle impostazioni del browser e riprovi. Oppure punti l’app Fotocamera del telefono verso il quadrato e tocchi il link.
problem-camera-missing = Non raggiungiamo alcuna fotocamera
    .detail = Forse la usa un’altra app, o questo dispositivo non ne ha.
    .next = Chiuda le altre app e riprovi. Oppure apra il link sotto il quadrato sul computer.
problem-lock-late = Il telefono non ha risposto
    .detail = Abbiamo atteso un minuto il blocco dello schermo.
    .next = Riprovi. Se succede due volte, riavvii il telefono.
problem-lock-refused = Il telefono non è stato sbloccato
    .detail = Il blocco dello schermo è stato annullato, o non L’ha riconosciuta.
    .next = Riprovi e sblocchi il telefono quando lo chiede.
problem-lock-missing = Il blocco dello schermo di questo telefono non si può usare qui
    .detail = L’app ha bisogno di PIN, impronta o viso per firmare per Lei.
    .next = Attivi un blocco dello schermo nelle impostazioni del telefono, poi riprovi. Se è attivo, chiami l’assistenza.
problem-refused = Il Suo computer ha detto no
    .detail = Questo telefono non è associato.
    .next = Se non è stato Lei a dire no, chiami l’assistenza. Altrimenti mostri un nuovo quadrato e lo legga.
problem-differ = L’abbiamo fermato. Questo telefono non è associato.
    .detail = Altre parole significano che forse qualcuno si è messo in mezzo.
    .next = Chiami l’assistenza prima di riprovare.
problem-contested = Due telefoni sono venuti con lo stesso quadrato
    .detail = Perché nessun telefono estraneo sia associato, li abbiamo fermati entrambi.
    .next = Se l’altro non era Suo, chiami l’assistenza. Poi mostri un nuovo quadrato e lo legga una volta.
problem-pairing-over = Il tempo per associare è scaduto
    .detail = Il computer non ha risposto entro cinque minuti, o mostra un quadrato più recente.
    .next = Mostri un nuovo quadrato sul computer e legga quello.
problem-malformed = Non abbiamo capito l’app
    .detail = Forse l’app è più vecchia del server.
    .next = Chiuda l’app, la riapra e riprovi.
problem-too-large = Era più di quanto accettiamo
    .detail = L’app invia poche centinaia di byte.
    .next = Chiuda l’app, la riapra e riprovi.
problem-not-found = A questo indirizzo non c’è nulla
    .detail = Forse l’app è più vecchia del server.
    .next = Chiuda l’app e la riapra.
problem-method = Non in questo modo
    .detail = Forse l’app è più vecchia del server.
    .next = Chiuda l’app e la riapra.
problem-unpaired = Questo telefono non è associato
    .detail = Il server non conosce questo telefono, o non più.
    .next = Lo associ di nuovo dal computer o chiami l’assistenza.
problem-frozen = L’abbiamo fermato. Nessuno ha effettuato l’accesso.
    .detail = Il Suo accesso è bloccato finché la nostra assistenza non ha parlato con Lei.
    .next = La chiamiamo al numero che abbiamo, oppure chiami l’assistenza.
problem-shut-out = L’accesso è disattivato per ora
    .detail = L’assistenza ha bloccato questo accesso.
    .next = Chiami l’assistenza.
problem-unsigned = Non abbiamo potuto accertare che sia il Suo telefono
    .detail = La chiamata non era firmata.
    .next = Riprovi; altrimenti associ di nuovo il telefono.
problem-signature = La firma del telefono non corrisponde
    .detail = Non è stato confermato nulla.
    .next = Riprovi. Se succede due volte, chiami l’assistenza.
problem-clock = L’orologio del Suo telefono differisce dal nostro
    .detail = La differenza supera un minuto.
    .next = Imposti data e ora del telefono su automatico, poi riprovi.
problem-replayed = Non abbiamo potuto accertare che sia il Suo telefono
    .detail = Abbiamo già sentito questa chiamata.
    .next = Riprovi; altrimenti associ di nuovo il telefono.
problem-too-many = È stato troppo spesso
    .detail = Questo telefono chiama troppo spesso.
    .next = Attenda due minuti, poi riprovi.
problem-busy = Un momento
    .detail = È arrivato altro nello stesso momento.
    .next = Riprovi tra qualche secondo.
problem-internal = Qualcosa da noi non ha funzionato
    .detail = { $sure ->
    [1] Non è stato cambiato nulla.
   *[other] Non sappiamo se sia stato eseguito.
}
    .next = Riprovi tra un minuto; se succede ancora, chiami l’assistenza e legga il numero qui sotto.
problem-unknown = Questa domanda non esiste più
    .detail = Non c’è più.
    .next = Se vuole ancora accedere, ricominci dal computer.
problem-answered = È già stata data una risposta
    .detail = La risposta era già arrivata.
    .next = Se vuole ancora accedere, ricominci dal computer.
problem-expired = Il tempo per questa domanda è scaduto
    .detail = Non è stato confermato nulla.
    .next = Se vuole ancora accedere, ricominci dal computer.
problem-not-six-digits = Sei cifre, per favore
    .detail = Queste non sono sei cifre.
    .next = Digiti le sei cifre che il Suo computer mostra.
problem-wrong-digits = { $left ->
    [0] Tre volte altre cifre: abbiamo chiuso questa domanda
   *[other] Il Suo computer mostra altre cifre
}
    .detail = { $left ->
    [0] Nessuno ha effettuato l’accesso così.
    [one] Le resta { $left } tentativo.
   *[other] Le restano { $left } tentativi.
}
    .next = { $left ->
    [0] Se era Lei, ricominci dal computer. Altrimenti chiami l’assistenza.
   *[other] Guardi il computer e digiti le sei cifre che mostra ora.
}
problem-phone-blocked = Cinque numeri sbagliati di seguito: questo telefono è bloccato
    .detail = Nessuno è collegato. Perché nessuno possa indovinare, questo telefono non risponde finché l’assistenza non lo sblocca.
    .next = Ci chiami. Se non ha digitato Lei questi numeri, ce lo dica.
problem-too-soon = Un momento, per favore
    .detail = Dopo un numero sbagliato il successivo è accettato solo qualche secondo più tardi.
    .next = Guardi il computer e digiti le sei cifre che mostra adesso.
problem-gone = Questo quadrato non vale più
    .detail = Un quadrato vale cinque minuti e per un solo telefono.
    .next = Ne mostri uno nuovo sul computer e lo legga.
problem-has-phone = Ha già un telefono associato
    .detail = Per sostituirlo serve l’assistenza.
    .next = Chiami l’assistenza per sostituirlo.
problem-credential = La nuova chiave del telefono non è stata accettata
    .detail = Non è del tipo che accettiamo.
    .next = Mostri un nuovo quadrato sul computer e lo legga. Se succede due volte, chiami l’assistenza.
problem-push-slow = Il servizio di notifiche del browser non ha risposto.
problem-push-off = Questo server non avvisa alcun telefono
    .detail = Il sito non lo ha attivato.
    .next = Apra Lei stesso l’app quando accede: la domanda è qui.
problem-push-key = Non possiamo avvisare questo telefono
    .detail = Ciò che il suo browser ha dato appartiene a un’altra chiave.
    .next = Apra di nuovo l’app. Fino ad allora la apra Lei stesso quando accede: la domanda è qui.
problem-push-subscription = Non possiamo avvisare questo telefono
    .detail = Ciò che il suo browser ha dato non può essere usato.
    .next = Apra Lei stesso l’app quando accede: la domanda è qui.
