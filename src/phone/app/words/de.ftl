# Die Wörter der App. Was unterschrieben wird, steht so da, wie es gesendet wurde, und nicht hier.

language = Sprache
one-moment = Einen Moment
busy = Einen Moment…
busy-lock = Wir warten auf die Bildschirmsperre…
busy-camera = Wir warten auf die Kamera…
busy-stopping = Wir halten es an…
try-again = Noch einmal versuchen
go-on = Weiter
back = Zurück
done = Fertig
not-now = Jetzt nicht
to-start = Zurück zum Anfang
support = Hilfe am Telefon:
call-support = Hilfe anrufen: { $telephone }
number = Nummer zum Vorlesen am Telefon:
address = diese App ist immer unter

seconds-left = { $n ->
    [one] Noch { $n } Sekunde
   *[other] Noch { $n } Sekunden
}
minutes-left = { $n ->
    [one] Noch { $n } Minute
   *[other] Noch { $n } Minuten
}
just-now = gerade eben, { $time }
minutes-ago = vor { $n } Min., { $time }

home = Nichts zu bestätigen
    .text = Wenn Sie sich am Computer anmelden, erscheint die Frage hier von selbst.
    .install = Auf den Startbildschirm legen
    .pair = Mit einer weiteren Seite verbinden
    .pair-text = Auch die andere Seite zeigt am Computer ein Quadrat.
    .remove = Von diesem Telefon entfernen
state-live = Verbunden
state-waiting = Verbindung wird aufgebaut…
state-away = Wir erreichen den Server nicht. Wir versuchen es von selbst wieder.
state-offline = Dieses Telefon ist offline. Wir versuchen es von selbst wieder.
state-frozen = Gesperrt, bis unsere Hilfe mit Ihnen gesprochen hat. Niemand ist angemeldet.
state-unpaired = Nicht mehr verbunden. Verbinden Sie es am Computer neu oder rufen Sie die Hilfe an.
ends = { $days ->
    [0] Das Zertifikat von { $device } endet heute
    [1] Das Zertifikat von { $device } endet morgen
   *[other] Das Zertifikat von { $device } endet in { $days } Tagen
}
    .text = Am { $day }. Melden Sie sich vorher auf jenem Gerät an und wählen Sie Einstellungen, Sicherheit, Zertifikat, um ein neues zu erstellen. Oder rufen Sie die Hilfe an.
ended = Das Zertifikat von { $device } ist abgelaufen
    .text = Es endete am { $day }. Öffnen Sie { $site } auf jenem Gerät: Die Seite führt Sie zu einem neuen. Oder rufen Sie die Hilfe an.

push-on = Dieses Telefon meldet sich, wenn Sie sich anmelden.
push-off = Lassen Sie dieses Telefon sich melden, wenn Sie sich anmelden
    .text = Es zeigt dann, dass eine Frage da ist, auch wenn die App geschlossen ist. Sonst öffnen Sie diese App bei jeder Anmeldung selbst.
    .yes = Einschalten
    .busy = Das Telefon fragt Sie jetzt…
push-blocked = Dieses Telefon darf sich nicht melden
    .text = Die Mitteilungen dieser App sind blockiert. Wählen Sie in den Einstellungen des Telefons die App oder den Browser, dann Mitteilungen, und erlauben Sie sie für { $host }. Öffnen Sie danach diese App neu.
push-home-screen = Damit sich dieses Telefon meldet, legen Sie die App auf den Home-Bildschirm
push-unavailable = Dieser Browser kann sich nicht melden
    .text = Öffnen Sie diese App selbst, wenn Sie sich anmelden: Die Frage ist hier.
push-gate-off = Dieses Telefon meldet sich nicht
    .text = Die Seite hat es nicht eingeschaltet. Öffnen Sie diese App selbst, wenn Sie sich anmelden: Die Frage ist hier.
push-failed = Wir konnten es nicht einrichten, dass sich dieses Telefon meldet
    .text = Der Browser des Telefons hat es nicht getan.
push-open = Bis dahin öffnen Sie diese App selbst, wenn Sie sich anmelden: Die Frage ist hier.
rings = { $site } wartet auf Ihre Antwort
    .text = Öffnen Sie die App, um zu sehen, worum es geht.

ask-sign-in = Melden Sie sich jetzt bei { $site } auf { $device } an?
ask-new-device = Fügen Sie jetzt bei { $site } ein neues Gerät hinzu, { $device }?
ask-resume-first-visit = Setzen Sie jetzt Ihren ersten Besuch bei { $site } auf { $device } fort?
ask-renew-certificate = Erstellen Sie jetzt bei { $site } ein neues Zertifikat für { $device }?
ask-renew-expired = Verlangen Sie jetzt bei { $site } ein neues Zertifikat für { $device }?
ask-pair-phone = Verbinden Sie jetzt ein weiteres Telefon mit { $site }?
ask-remove-phone = Entfernen Sie jetzt ein Telefon von { $site }?
ask-recovery-codes = Erstellen Sie jetzt neue Notfallcodes für { $site }?
ask-confirm = Bestätigen Sie dies bei { $site }?
ask-step-up = { $site } fragt noch einmal: Tun Sie dies jetzt auf { $device }?
ask-other = { $site } fragt: Tun Sie dies jetzt auf { $device }?
loud-new-device = Ein neues Gerät wird hinzugefügt. Es kann danach in Ihrem Namen um Zutritt bitten. Bestätigen Sie nur, wenn Sie davor sitzen.
loud-resume-first-visit = Ein erster Besuch brach ab und wird fortgesetzt. Bestätigen Sie nur, wenn Sie vor jenem Gerät sitzen.
loud-renew-certificate = Ein neues Zertifikat wird erstellt. Wer es hat, kann in Ihrem Namen um Zutritt bitten. Bestätigen Sie nur, wenn Sie es verlangt haben.
loud-renew-expired = Ein abgelaufenes Zertifikat wird ersetzt. Bestätigen Sie nur, wenn Sie es verlangt und mit unserer Hilfe gesprochen haben.
loud-pair-phone = Ein weiteres Telefon wird hinzugefügt. Es kann danach in Ihrem Namen bestätigen. Bestätigen Sie nur, wenn es Ihres ist und Sie es in der Hand halten.
loud-remove-phone = Ein Telefon wird entfernt. Es kann danach nichts mehr bestätigen.
loud-recovery-codes = Zehn neue Codes werden erstellt. Wer einen davon und Ihr Passwort hat, kann in Ihrem Namen ein Telefon verbinden. Die alten gelten nicht mehr.
loud-confirm = Prüfen Sie jede Zeile. Was Sie bestätigen, wird ausgeführt und lässt sich nachher nicht ändern.
row-reason = Wofür
row-who = Wer
row-device = Gerät
row-browser = Browser
row-from = Von
row-when = Wann
row-site = Seite
from-address = Netzadresse { $address }
from-place = { $place } (Netzadresse { $address })
digits = Tippen Sie die sechs Ziffern von Ihrem Computer ein
    .missing = Tippen Sie die sechs Ziffern ein, die Ihr Computer zeigt.
approve = Bestätigen
not-me = Das bin ich nicht
approved = Bestätigt
    .text = Ihr Computer geht von selbst weiter. Sie können das Telefon weglegen.
frozen = Wir haben es angehalten. Niemand ist angemeldet.
    .text = Ihr Zugang ist gesperrt, bis unsere Hilfe mit Ihnen gesprochen hat. Alles, was in Ihrem Namen angemeldet war, ist abgemeldet.
    .ring-or = Wir rufen Sie unter der Nummer an, die wir von Ihnen haben. Oder rufen Sie uns an:
    .ring = Wir rufen Sie unter der Nummer an, die wir von Ihnen haben. Oder rufen Sie unsere Hilfe an.
    .then = Auf diesem Telefon ist sonst nichts zu tun. Diese Seite geht von selbst weiter, sobald unsere Hilfe Ihren Zugang wieder geöffnet hat.
    .others = Andere Seiten auf diesem Telefon
over = Diese Frage ist vorbei
    .text = Sie wurde beantwortet, oder eine neuere ist an ihre Stelle getreten.
    .approved = Sie wurde auf einem anderen Telefon von Ihnen bestätigt.
    .denied = Auf einem anderen Telefon von Ihnen wurde «Das bin ich nicht» gewählt.
    .wrong-digits = Dreimal wurden andere Ziffern eingetippt.
    .withdrawn = Ihr Computer hat aufgegeben.
    .expired = Niemand hat rechtzeitig geantwortet.
newer = Eine neuere Frage ist an die Stelle der vorigen getreten. Wenn Sie nicht selbst zweimal gefragt haben, wählen Sie «Das bin ich nicht».
time-over = Die Zeit für diese Frage ist vorbei
    .text = Es wurde nichts bestätigt.
again = Möchten Sie sich noch anmelden, beginnen Sie am Computer neu.

history = Letzte Bestätigungen
    .text = Was Sie zuletzt gefragt wurden. Waren Sie es einmal nicht selbst, sagen Sie es uns: Es ist nie zu spät.
    .none = Bisher wurde nichts gefragt.
not-mine = Das war ich nicht
    .sure = War das jemand anderes?
    .text = Wenn Sie Ja sagen, wird alles abgemeldet, was in Ihrem Namen angemeldet ist. Danach kann sich niemand mehr in Ihrem Namen anmelden, bis unsere Hilfe mit Ihnen gesprochen hat.
    .yes = Ja, alles anhalten
end-approved = Bestätigt: { $phone }, { $time }
end-denied = «Das bin ich nicht»: { $phone }, { $time }
end-wrong-digits = Nach drei falschen Nummern beendet
end-superseded = Eine neuere Frage trat an ihre Stelle
end-withdrawn = Am Computer aufgegeben
end-expired = Nicht rechtzeitig beantwortet
this-phone = dieses Telefon
other-phone = ein anderes Telefon
what-sign-in = Anmelden
what-new-device = Auf einem neuen Gerät anmelden
what-resume-first-visit = Den ersten Besuch fortsetzen
what-renew-certificate = Ein neues Zertifikat erstellen
what-renew-expired = Ein abgelaufenes Zertifikat ersetzen
what-pair-phone = Ein weiteres Telefon verbinden
what-remove-phone = Ein Telefon entfernen
what-recovery-codes = Neue Notfallcodes erstellen

checking = Wir schauen, ob dieses Telefon alles Nötige hat.
link = Dieses Telefon verbinden?
    .text = Sie haben einen Link aus einem Quadrat auf einem Computer geöffnet. Gehen Sie nur weiter, wenn dieser Computer vor Ihnen steht und Sie selbst danach verlangt haben.
    .yes = Dieses Telefon verbinden
welcome = Dieses Telefon verbinden
    .text = Ihr Computer zeigt ein Quadrat. Dieses Telefon liest es mit der Kamera. Danach bestätigen Sie hier, was Sie dort tun.
    .scan = Quadrat einlesen
home-screen = Legen Sie diese App zuerst auf den Home-Bildschirm
    .text = Nur dort bewahrt ein iPhone den Schlüssel der App auf.
    .one = Tippen Sie auf «Teilen»: ein Quadrat mit einem Pfeil.
    .two = Tippen Sie auf «Zum Home-Bildschirm», dann auf «Hinzufügen».
    .three = Öffnen Sie Portcullis vom Home-Bildschirm aus und lesen Sie das Quadrat dort ein.
    .picture = Zwei Bildschirme eines iPhones. Auf dem ersten ist die Taste zum Teilen markiert, ein Quadrat mit einem Pfeil. Auf dem zweiten die Zeile mit einem Pluszeichen im Quadrat.
    .anyway = Trotzdem hier weitermachen
paste = Keine Kamera zur Hand?
    .text = Unter dem Quadrat steht ein Link. Öffnen Sie ihn auf diesem Telefon oder fügen Sie ihn hier ein.
    .label = Link von Ihrem Computer
    .wrong = Das ist kein Link von Ihrem Computer. Er beginnt mit { $start }
    .go = Mit dem Link weiter
scan = Richten Sie das Telefon auf das Quadrat
    .picture = Bild der Kamera
    .looking = Wir suchen das Quadrat…
    .other = Das ist ein anderes Quadrat. Wir suchen jenes auf der Seite Ihres Computers.
    .hint = Wir haben es noch nicht gefunden. Halten Sie das Telefon so, dass das ganze Quadrat im Bild ist, eine Handbreit entfernt, und wischen Sie die Linse ab.
    .stop = Abbrechen
pairing = Wir melden dem Server, dass dieses Telefon da ist.
are-you = Sind Sie { $person }?
    .text = Dieses Telefon wird für { $person } bei { $site } bestätigen. Es erstellt jetzt einen Schlüssel hinter seiner Bildschirmsperre: Das Telefon fragt nach PIN, Fingerabdruck oder Gesicht.
    .yes = Ja, weiter
    .no = Nein, abbrechen
words = Zeigt Ihr Computer { $one } und { $two }?
    .text = Antworten Sie jetzt am Computer. Diese Seite geht von selbst weiter.
    .no = Nein, andere Wörter
paired = Dieses Telefon ist verbunden
    .text = Gehen Sie zurück zum Computer: Er macht von selbst weiter.

# Was nicht weitergeht, nach seinem Kürzel: ein Satz, warum, und der nächste Schritt.
problem = Das hat nicht geklappt
    .next = Schliessen Sie die App, öffnen Sie sie neu und versuchen Sie es noch einmal.
problem-offline = Dieses Telefon ist offline
    .detail = Die App ist da, erreicht aber den Server nicht.
    .next = Schalten Sie WLAN oder mobile Daten ein und versuchen Sie es noch einmal.
problem-unreachable = Der Server hat nicht geantwortet
    .detail = Die Verbindung brach ab oder dauerte länger als 20 Sekunden.
    .next = Prüfen Sie die Verbindung und versuchen Sie es noch einmal. Bleibt es so, rufen Sie die Hilfe an.
problem-no-storage = Dieser Browser merkt sich nichts
    .detail = Ein verbundenes Telefon muss sich seinen Schlüssel merken. Ein privates Fenster vergisst ihn.
    .next = Öffnen Sie diese Seite in einem normalen Fenster, nicht in einem privaten, und versuchen Sie es noch einmal.
problem-no-lock = Dieses Telefon braucht eine Bildschirmsperre
    .detail = Die App unterschreibt für Sie nur nach PIN, Fingerabdruck oder Gesicht. Wir haben nichts davon gefunden, was eine Webseite benutzen darf.
    .next = Schalten Sie in den Einstellungen des Telefons eine Bildschirmsperre ein und versuchen Sie es noch einmal. Ist sie an, öffnen Sie diese Seite in Chrome oder Safari.
problem-nothing-seen = Wir haben das Quadrat nicht gefunden
    .detail = Wir haben zwei Minuten gesucht und die Kamera ausgeschaltet.
    .next = Schauen Sie, ob das Quadrat am Computer zu sehen und hell genug ist. Oder nehmen Sie den Link darunter.
problem-camera-denied = Wir dürfen die Kamera nicht benutzen
    .detail = Die Kamera dient nur zum Lesen des Quadrats. Kein Bild verlässt das Telefon.
    .next = Erlauben Sie die Kamera für diese Seite in den Einstellungen des Browsers und versuchen Sie es noch einmal. Oder richten Sie die Kamera-App des Telefons auf das Quadrat und tippen Sie auf den Link.
problem-camera-missing = Wir erreichen keine Kamera
    .detail = Vielleicht benutzt sie eine andere App, oder dieses Gerät hat keine.
    .next = Schliessen Sie andere Apps und versuchen Sie es noch einmal. Oder öffnen Sie den Link, der am Computer unter dem Quadrat steht.
problem-lock-late = Das Telefon hat nicht geantwortet
    .detail = Wir haben eine Minute auf die Bildschirmsperre gewartet.
    .next = Versuchen Sie es noch einmal. Geschieht es zweimal, starten Sie das Telefon neu.
problem-lock-refused = Das Telefon wurde nicht entsperrt
    .detail = Die Bildschirmsperre wurde abgebrochen oder hat Sie nicht erkannt.
    .next = Versuchen Sie es noch einmal und entsperren Sie das Telefon, wenn es danach fragt.
problem-lock-missing = Die Bildschirmsperre dieses Telefons lässt sich hier nicht benutzen
    .detail = Die App braucht PIN, Fingerabdruck oder Gesicht, um für Sie zu unterschreiben.
    .next = Schalten Sie in den Einstellungen des Telefons eine Bildschirmsperre ein und versuchen Sie es noch einmal. Ist sie an, rufen Sie die Hilfe an.
problem-refused = Ihr Computer hat Nein gesagt
    .detail = Dieses Telefon ist nicht verbunden.
    .next = Haben Sie nicht selbst Nein gesagt, rufen Sie die Hilfe an. Sonst zeigen Sie ein neues Quadrat und lesen Sie es ein.
problem-differ = Wir haben es angehalten. Dieses Telefon ist nicht verbunden.
    .detail = Andere Wörter bedeuten, dass vielleicht jemand dazwischen ist.
    .next = Rufen Sie die Hilfe an, bevor Sie es noch einmal versuchen.
problem-contested = Zwei Telefone kamen mit demselben Quadrat
    .detail = Damit kein fremdes Telefon verbunden wird, haben wir beide angehalten.
    .next = War das andere nicht Ihres, rufen Sie die Hilfe an. Zeigen Sie dann ein neues Quadrat und lesen Sie es einmal ein.
problem-pairing-over = Die Zeit zum Verbinden ist vorbei
    .detail = Ihr Computer hat nicht innert fünf Minuten geantwortet, oder er zeigt ein neueres Quadrat.
    .next = Zeigen Sie am Computer ein neues Quadrat und lesen Sie dieses ein.
problem-malformed = Wir haben die App nicht verstanden
    .detail = Vielleicht ist die App älter als der Server.
    .next = Schliessen Sie die App, öffnen Sie sie neu und versuchen Sie es noch einmal.
problem-too-large = Das war mehr, als wir annehmen
    .detail = Die App sendet sonst wenige hundert Bytes.
    .next = Schliessen Sie die App, öffnen Sie sie neu und versuchen Sie es noch einmal.
problem-not-found = Unter dieser Adresse ist nichts
    .detail = Vielleicht ist die App älter als der Server.
    .next = Schliessen Sie die App und öffnen Sie sie neu.
problem-method = So geht es nicht
    .detail = Vielleicht ist die App älter als der Server.
    .next = Schliessen Sie die App und öffnen Sie sie neu.
problem-unpaired = Dieses Telefon ist nicht verbunden
    .detail = Der Server kennt dieses Telefon nicht oder nicht mehr.
    .next = Verbinden Sie es am Computer neu oder rufen Sie die Hilfe an.
problem-frozen = Wir haben es angehalten. Niemand ist angemeldet.
    .detail = Ihr Zugang ist gesperrt, bis unsere Hilfe mit Ihnen gesprochen hat.
    .next = Wir rufen Sie unter der Nummer an, die wir haben, oder rufen Sie die Hilfe an.
problem-shut-out = Der Zugang ist vorläufig ausgeschaltet
    .detail = Die Hilfe hat diesen Zugang gesperrt.
    .next = Rufen Sie die Hilfe an.
problem-unsigned = Wir konnten nicht sicher sein, dass dies Ihr Telefon ist
    .detail = Der Aufruf war nicht unterschrieben.
    .next = Versuchen Sie es noch einmal; verbinden Sie sonst das Telefon neu.
problem-signature = Die Unterschrift des Telefons passt nicht
    .detail = Es wurde nichts bestätigt.
    .next = Versuchen Sie es noch einmal. Geschieht es zweimal, rufen Sie die Hilfe an.
problem-clock = Die Uhr Ihres Telefons geht anders als unsere
    .detail = Der Unterschied ist mehr als eine Minute.
    .next = Stellen Sie Datum und Uhrzeit des Telefons auf automatisch und versuchen Sie es noch einmal.
problem-replayed = Wir konnten nicht sicher sein, dass dies Ihr Telefon ist
    .detail = Diesen Aufruf haben wir schon einmal gehört.
    .next = Versuchen Sie es noch einmal; verbinden Sie sonst das Telefon neu.
problem-too-many = Das war zu oft
    .detail = Dieses Telefon fragt zu häufig an.
    .next = Warten Sie zwei Minuten und versuchen Sie es noch einmal.
problem-busy = Einen Moment
    .detail = Gleichzeitig kam etwas anderes.
    .next = Versuchen Sie es in ein paar Sekunden noch einmal.
problem-internal = Bei uns ist etwas schiefgegangen
    .detail = { $sure ->
    [1] Es wurde nichts geändert.
   *[other] Wir wissen nicht, ob dies ausgeführt wurde.
}
    .next = Versuchen Sie es in einer Minute noch einmal. Geschieht es wieder, rufen Sie die Hilfe an und lesen Sie die Nummer unten vor.
problem-unknown = Diese Frage gibt es nicht mehr
    .detail = Sie ist nicht mehr da.
    .next = Möchten Sie sich noch anmelden, beginnen Sie am Computer neu.
problem-answered = Das wurde schon beantwortet
    .detail = Es gab schon eine Antwort.
    .next = Möchten Sie sich noch anmelden, beginnen Sie am Computer neu.
problem-expired = Die Zeit für diese Frage ist vorbei
    .detail = Es wurde nichts bestätigt.
    .next = Möchten Sie sich noch anmelden, beginnen Sie am Computer neu.
problem-not-six-digits = Bitte sechs Ziffern
    .detail = Das sind keine sechs Ziffern.
    .next = Tippen Sie die sechs Ziffern ein, die Ihr Computer zeigt.
problem-wrong-digits = { $left ->
    [0] Dreimal andere Ziffern: Wir haben diese Frage beendet
   *[other] Ihr Computer zeigt andere Ziffern
}
    .detail = { $left ->
    [0] Damit ist niemand angemeldet.
    [one] Sie haben noch { $left } Versuch.
   *[other] Sie haben noch { $left } Versuche.
}
    .next = { $left ->
    [0] Waren Sie es, beginnen Sie am Computer neu. Wenn nicht, rufen Sie die Hilfe an.
   *[other] Schauen Sie auf Ihren Computer und tippen Sie die sechs Ziffern ein, die er jetzt zeigt.
}
problem-phone-blocked = Fünf falsche Zahlen nacheinander: dieses Telefon ist gesperrt
    .detail = Niemand ist angemeldet. Damit niemand raten kann, antwortet dieses Telefon erst wieder, wenn die Hilfe es freigibt.
    .next = Rufen Sie uns an. Wenn nicht Sie diese Zahlen getippt haben, sagen Sie es uns.
problem-too-soon = Einen Moment bitte
    .detail = Nach einer falschen Zahl wird die nächste erst nach einigen Sekunden angenommen.
    .next = Schauen Sie auf Ihren Computer und tippen Sie die sechs Ziffern, die er jetzt zeigt.
problem-gone = Dieses Quadrat gilt nicht mehr
    .detail = Ein Quadrat gilt fünf Minuten und für ein Telefon.
    .next = Zeigen Sie am Computer ein neues und lesen Sie dieses ein.
problem-has-phone = Sie haben schon ein verbundenes Telefon
    .detail = Ersetzt wird es nur mit der Hilfe am Telefon.
    .next = Rufen Sie die Hilfe an, um es zu ersetzen.
problem-credential = Der neue Schlüssel des Telefons wurde nicht angenommen
    .detail = Er ist nicht von der Art, die wir annehmen.
    .next = Zeigen Sie am Computer ein neues Quadrat und lesen Sie es ein. Geschieht es zweimal, rufen Sie die Hilfe an.
problem-push-slow = Der Mitteilungsdienst des Browsers hat nicht geantwortet.
problem-push-off = Dieser Server weckt keine Telefone
    .detail = Die Seite hat es nicht eingeschaltet.
    .next = Öffnen Sie die App selbst, wenn Sie sich anmelden: Die Frage ist hier.
problem-push-key = Wir können dieses Telefon nicht wecken
    .detail = Was sein Browser angab, gehört zu einem anderen Schlüssel.
    .next = Öffnen Sie die App neu. Bis dahin öffnen Sie sie selbst, wenn Sie sich anmelden: Die Frage ist hier.
problem-push-subscription = Wir können dieses Telefon nicht wecken
    .detail = Was sein Browser angab, lässt sich nicht verwenden.
    .next = Öffnen Sie die App selbst, wenn Sie sich anmelden: Die Frage ist hier.
