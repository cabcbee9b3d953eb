# Les mots de l’app. Ce qui est signé s’affiche tel qu’il a été envoyé et n’est pas ici.

language = Langue
one-moment = Un instant
busy = Un instant…
busy-lock = Nous attendons le verrouillage de l’écran…
busy-camera = Nous attendons l’appareil photo…
busy-stopping = Nous l’arrêtons…
try-again = Réessayer
go-on = Continuer
back = Retour
done = Terminé
not-now = Pas maintenant
to-start = Retour au début
support = Assistance :
call-support = Appeler l’assistance : { $telephone }
number = Numéro à lire à l’assistance :
address = cette app est toujours à l’adresse

seconds-left = { $n ->
    [one] Encore { $n } seconde
   *[other] Encore { $n } secondes
}
minutes-left = { $n ->
    [one] Encore { $n } minute
   *[other] Encore { $n } minutes
}
just-now = à l’instant, { $time }
minutes-ago = il y a { $n } min, { $time }

home = Rien à confirmer
    .text = Quand vous vous connectez sur votre ordinateur, la question apparaît ici toute seule.
    .install = Mettre l’app sur l’écran d’accueil
    .pair = Associer à un autre site
    .pair-text = L’autre site affiche aussi un carré sur votre ordinateur.
    .remove = Retirer de ce téléphone
state-live = Connecté
state-waiting = Connexion en cours…
state-away = Nous n’arrivons pas à joindre le serveur. Nous réessayons de nous-mêmes.
state-offline = Ce téléphone est hors ligne. Nous réessayons de nous-mêmes.
state-frozen = Bloqué jusqu’à ce que notre assistance vous ait parlé. Personne n’est connecté.
state-unpaired = N’est plus associé. Associez-le de nouveau depuis votre ordinateur, ou appelez l’assistance.
ends = { $days ->
    [0] Le certificat de { $device } se termine aujourd’hui
    [1] Le certificat de { $device } se termine demain
   *[other] Le certificat de { $device } se termine dans { $days } jours
}
    .text = Le { $day }. Connectez-vous avant sur cet appareil et choisissez Paramètres, Sécurité, Certificat pour en créer un nouveau. Ou appelez l’assistance.
ended = Le certificat de { $device } a expiré
    .text = Il a expiré le { $day }. Ouvrez { $site } sur cet appareil : la page vous mène à un nouveau. Ou appelez l’assistance.

push-on = Ce téléphone vous avertit quand vous vous connectez.
push-off = Laissez ce téléphone vous avertir quand vous vous connectez
    .text = Il montre alors qu’une question est là, même quand l’app est fermée. Sinon, ouvrez vous-même cette app à chaque connexion.
    .yes = Activer
    .busy = Le téléphone vous le demande…
push-blocked = Ce téléphone ne peut pas vous avertir
    .text = Les notifications de cette app sont bloquées. Dans les réglages du téléphone, choisissez l’app ou le navigateur, puis Notifications, et autorisez-les pour { $host }. Ouvrez ensuite cette app à nouveau.
push-home-screen = Pour que ce téléphone vous avertisse, placez l’app sur l’écran d’accueil
push-unavailable = Ce navigateur ne peut pas vous avertir
    .text = Ouvrez vous-même cette app quand vous vous connectez : la question est ici.
push-gate-off = Ce téléphone ne vous avertit pas
    .text = Le site ne l’a pas activé. Ouvrez vous-même cette app quand vous vous connectez : la question est ici.
push-failed = Nous n’avons pas pu faire que ce téléphone vous avertisse
    .text = Le navigateur du téléphone ne l’a pas fait.
push-open = En attendant, ouvrez vous-même cette app quand vous vous connectez : la question est ici.
rings = { $site } attend votre réponse
    .text = Ouvrez l’app pour voir de quoi il s’agit.

ask-sign-in = Vous connectez-vous à { $site } sur { $device }, maintenant ?
ask-new-device = Ajoutez-vous un nouvel appareil, { $device }, à { $site }, maintenant ?
ask-resume-first-visit = Reprenez-vous votre première visite à { $site } sur { $device }, maintenant ?
ask-renew-certificate = Créez-vous un nouveau certificat pour { $device } à { $site }, maintenant ?
ask-renew-expired = Demandez-vous un nouveau certificat pour { $device } à { $site }, maintenant ?
ask-pair-phone = Associez-vous un autre téléphone à { $site }, maintenant ?
ask-remove-phone = Retirez-vous un téléphone de { $site }, maintenant ?
ask-recovery-codes = Créez-vous de nouveaux codes de secours pour { $site }, maintenant ?
ask-confirm = Confirmez-vous ceci à { $site } ?
ask-step-up = { $site } redemande : faites-vous ceci sur { $device }, maintenant ?
ask-other = { $site } demande : faites-vous ceci sur { $device }, maintenant ?
loud-new-device = Un nouvel appareil est ajouté. Il pourra ensuite demander l’accès en votre nom. Ne confirmez que si vous êtes devant lui.
loud-resume-first-visit = Une première visite interrompue est reprise. Ne confirmez que si vous êtes devant cet appareil.
loud-renew-certificate = Un nouveau certificat est créé. Qui le possède peut demander l’accès en votre nom. Ne confirmez que si vous l’avez demandé.
loud-renew-expired = Un certificat expiré est remplacé. Ne confirmez que si vous l’avez demandé et avez parlé à notre assistance.
loud-pair-phone = Un autre téléphone est ajouté. Il pourra ensuite confirmer en votre nom. Ne confirmez que s’il est à vous et dans votre main.
loud-remove-phone = Un téléphone est retiré. Il ne pourra ensuite plus rien confirmer.
loud-recovery-codes = Dix nouveaux codes sont créés. Qui en possède un, et votre mot de passe, peut associer un téléphone en votre nom. Les anciens ne valent plus.
loud-confirm = Regardez chaque ligne. Ce que vous confirmez est exécuté et ne peut plus être changé ensuite.
row-reason = Pour quoi
row-who = Qui
row-device = Appareil
row-browser = Navigateur
row-from = D’où
row-when = Quand
row-site = Site
from-address = adresse réseau { $address }
from-place = { $place } (adresse réseau { $address })
digits = Saisissez les six chiffres de votre ordinateur
    .missing = Saisissez les six chiffres que votre ordinateur affiche.
approve = Confirmer
not-me = Ce n’est pas moi
approved = Confirmé
    .text = Votre ordinateur continue de lui-même. Vous pouvez ranger le téléphone.
frozen = Nous l’avons arrêté. Personne n’est connecté.
    .text = Votre accès est bloqué jusqu’à ce que notre assistance vous ait parlé. Tout ce qui était connecté en votre nom a été déconnecté.
    .ring-or = Nous vous appelons au numéro que nous avons. Ou appelez-nous :
    .ring = Nous vous appelons au numéro que nous avons. Ou appelez notre assistance.
    .then = Il n’y a rien d’autre à faire sur ce téléphone. Cette page avance d’elle-même dès que notre assistance a rouvert votre accès.
    .others = Autres sites sur ce téléphone
over = Cette question est close
    .text = Elle a reçu une réponse, ou une plus récente a pris sa place.
    .approved = Elle a été approuvée sur un autre de vos téléphones.
    .denied = Sur un autre de vos téléphones, quelqu’un a répondu « Ce n’est pas moi ».
    .wrong-digits = D’autres chiffres ont été saisis trois fois.
    .withdrawn = Votre ordinateur y a renoncé.
    .expired = Personne n’a répondu à temps.
newer = Une question plus récente a pris la place de celle qui se trouvait ici. Si vous ne l’avez pas demandée deux fois vous-même, choisissez « Ce n’est pas moi ».
time-over = Le temps pour cette question est écoulé
    .text = Rien n’a été confirmé.
again = Si vous voulez encore vous connecter, recommencez sur votre ordinateur.

history = Dernières confirmations
    .text = Ce qui vous a été demandé récemment. Si ce n’était pas vous, dites-le : il n’est jamais trop tard.
    .none = Rien n’a encore été demandé.
not-mine = Ce n’était pas moi
    .sure = Était-ce quelqu’un d’autre ?
    .text = Si vous dites oui, tout ce qui est connecté en votre nom est déconnecté, et personne ne peut plus se connecter en votre nom avant que notre assistance vous ait parlé.
    .yes = Oui, tout arrêter
end-approved = Confirmé : { $phone }, { $time }
end-denied = « Ce n’est pas moi » : { $phone }, { $time }
end-wrong-digits = Close après trois numéros faux
end-superseded = Une question plus récente a pris sa place
end-withdrawn = Abandonnée sur l’ordinateur
end-expired = Sans réponse à temps
this-phone = ce téléphone
other-phone = un autre téléphone
what-sign-in = Se connecter
what-new-device = Se connecter sur un nouvel appareil
what-resume-first-visit = Reprendre la première visite
what-renew-certificate = Créer un nouveau certificat
what-renew-expired = Remplacer un certificat expiré
what-pair-phone = Associer un autre téléphone
what-remove-phone = Retirer un téléphone
what-recovery-codes = Créer de nouveaux codes de secours

checking = Nous regardons si ce téléphone a tout ce qu’il faut.
link = Associer ce téléphone ?
    .text = Vous avez ouvert un lien tiré d’un carré sur un ordinateur. Ne continuez que si cet ordinateur est devant vous et que vous l’avez demandé vous-même.
    .yes = Associer ce téléphone
welcome = Associez ce téléphone
    .text = Votre ordinateur affiche un carré. Ce téléphone le lit avec son appareil photo ; ensuite vous confirmez ici ce que vous faites là-bas.
    .scan = Lire le carré
home-screen = Mettez d’abord cette app sur l’écran d’accueil
    .text = Un iPhone ne garde la clé de l’app que là.
    .one = Touchez le bouton de partage : un carré avec une flèche.
    .two = Touchez « Sur l’écran d’accueil », puis « Ajouter ».
    .three = Ouvrez Portcullis depuis l’écran d’accueil et lisez le carré depuis là.
    .picture = Deux écrans d’un iPhone. Sur le premier, le bouton de partage, un carré avec une flèche, est marqué. Sur le second, la ligne avec un signe plus dans un carré.
    .anyway = Continuer ici malgré tout
paste = Pas d’appareil photo ?
    .text = Sous le carré se trouve un lien. Ouvrez-le sur ce téléphone ou collez-le ici.
    .label = Lien de votre ordinateur
    .wrong = Ce n’est pas un lien de votre ordinateur. Il commence par { $start }
    .go = Continuer avec le lien
scan = Dirigez le téléphone vers le carré
    .picture = Image de l’appareil photo
    .looking = Nous cherchons le carré…
    .other = C’est un autre carré. Nous cherchons celui de la page de votre ordinateur.
    .hint = Nous ne l’avons pas encore trouvé. Tenez le téléphone de sorte que tout le carré soit dans l’image, à une largeur de main, et essuyez l’objectif.
    .stop = Arrêter
pairing = Nous annonçons ce téléphone au serveur.
are-you = Êtes-vous { $person } ?
    .text = Ce téléphone confirmera pour { $person } à { $site }. Il crée maintenant une clé derrière son verrouillage d’écran : il demande votre code, votre empreinte ou votre visage.
    .yes = Oui, continuer
    .no = Non, arrêter
words = Votre ordinateur affiche-t-il { $one } et { $two } ?
    .text = Répondez maintenant sur votre ordinateur. Cette page continue d’elle-même.
    .no = Non, d’autres mots
paired = Ce téléphone est associé
    .text = Retournez à votre ordinateur : il continue de lui-même.

# Ce qui n’avance pas, par son code : une phrase, pourquoi, et la suite.
problem = Cela n’a pas marché
    .next = Fermez l’app, rouvrez-la et réessayez.
problem-offline = Ce téléphone est hors ligne
    .detail = L’app est là, mais elle n’arrive pas à joindre le serveur.
    .next = Activez le Wi-Fi ou les données mobiles, puis réessayez.
problem-unreachable = Le serveur n’a pas répondu
    .detail = La connexion s’est coupée ou a duré plus de 20 secondes.
    .next = Vérifiez la connexion et réessayez. Si cela continue, appelez l’assistance.
problem-no-storage = Ce navigateur ne garde rien
    .detail = Un téléphone associé doit se souvenir de sa clé. Une fenêtre privée l’oublie.
    .next = Ouvrez cette page dans une fenêtre normale, non privée, puis réessayez.
problem-no-lock = Ce téléphone a besoin d’un verrouillage d’écran
    .detail = L’app ne signe pour vous qu’après votre code, votre empreinte ou votre visage. Nous n’en avons trouvé aucun qu’une page web puisse utiliser.
    .next = Activez un verrouillage d’écran dans les réglages du téléphone, puis réessayez. S’il est activé, ouvrez cette page dans Chrome ou Safari.
problem-nothing-seen = Nous n’avons pas trouvé le carré
    .detail = Nous avons cherché deux minutes, puis éteint l’appareil photo.
    .next = Vérifiez que le carré est à l’écran de votre ordinateur et assez clair. Ou utilisez le lien en dessous.
problem-camera-denied = Nous ne pouvons pas utiliser l’appareil photo
    .detail = L’appareil photo ne sert qu’à lire le carré. Aucune image ne quitte le téléphone.
    .next = Autorisez l’appareil photo pour cette page dans les réglages du navigateur, puis réessayez. Ou dirigez l’app photo du téléphone vers le carré et touchez le lien.
problem-camera-missing = Nous ne trouvons pas d’appareil photo
    .detail = Une autre app l’utilise peut-être, ou cet appareil n’en a pas.
    .next = Fermez les autres apps et réessayez. Ou ouvrez le lien sous le carré sur votre ordinateur.
problem-lock-late = Le téléphone n’a pas répondu
    .detail = Nous avons attendu une minute le verrouillage de l’écran.
    .next = Réessayez. Si cela arrive deux fois, redémarrez le téléphone.
problem-lock-refused = Le téléphone n’a pas été déverrouillé
    .detail = Le verrouillage d’écran a été annulé, ou ne vous a pas reconnu.
    .next = Réessayez et déverrouillez le téléphone quand il le demande.
problem-lock-missing = Le verrouillage d’écran de ce téléphone ne peut pas servir ici
    .detail = L’app a besoin de votre code, de votre empreinte ou de votre visage pour signer pour vous.
    .next = Activez un verrouillage d’écran dans les réglages du téléphone, puis réessayez. S’il est activé, appelez l’assistance.
problem-refused = Votre ordinateur a dit non
    .detail = Ce téléphone n’est pas associé.
    .next = Si vous n’avez pas dit non vous-même, appelez l’assistance. Sinon, affichez un nouveau carré et lisez-le.
problem-differ = Nous l’avons arrêté. Ce téléphone n’est pas associé.
    .detail = D’autres mots signifient que quelqu’un s’est peut-être interposé.
    .next = Appelez l’assistance avant de réessayer.
problem-contested = Deux téléphones sont venus avec le même carré
    .detail = Pour qu’aucun téléphone étranger ne soit associé, nous avons arrêté les deux.
    .next = Si l’autre n’était pas le vôtre, appelez l’assistance. Affichez ensuite un nouveau carré et lisez-le une fois.
problem-pairing-over = Le temps pour associer est écoulé
    .detail = Votre ordinateur n’a pas répondu en cinq minutes, ou il affiche un carré plus récent.
    .next = Affichez un nouveau carré sur votre ordinateur et lisez celui-ci.
problem-malformed = Nous n’avons pas compris l’app
    .detail = L’app est peut-être plus ancienne que le serveur.
    .next = Fermez l’app, rouvrez-la et réessayez.
problem-too-large = C’était plus que nous n’acceptons
    .detail = L’app n’envoie que quelques centaines d’octets.
    .next = Fermez l’app, rouvrez-la et réessayez.
problem-not-found = Il n’y a rien à cette adresse
    .detail = L’app est peut-être plus ancienne que le serveur.
    .next = Fermez l’app et rouvrez-la.
problem-method = Pas de cette façon
    .detail = L’app est peut-être plus ancienne que le serveur.
    .next = Fermez l’app et rouvrez-la.
problem-unpaired = Ce téléphone n’est pas associé
    .detail = Le serveur ne connaît pas ce téléphone, ou plus.
    .next = Associez-le de nouveau depuis votre ordinateur, ou appelez l’assistance.
problem-frozen = Nous l’avons arrêté. Personne n’est connecté.
    .detail = Votre accès est bloqué jusqu’à ce que notre assistance vous ait parlé.
    .next = Nous vous appelons au numéro que nous avons, ou appelez l’assistance.
problem-shut-out = L’accès est désactivé pour le moment
    .detail = L’assistance a bloqué cet accès.
    .next = Appelez l’assistance.
problem-unsigned = Nous n’avons pas pu nous assurer que c’est votre téléphone
    .detail = L’appel n’était pas signé.
    .next = Réessayez ; sinon, associez de nouveau le téléphone.
problem-signature = La signature du téléphone ne correspond pas
    .detail = Rien n’a été confirmé.
    .next = Réessayez. Si cela arrive deux fois, appelez l’assistance.
problem-clock = L’horloge de votre téléphone diffère de la nôtre
    .detail = La différence dépasse une minute.
    .next = Réglez la date et l’heure du téléphone sur automatique, puis réessayez.
problem-replayed = Nous n’avons pas pu nous assurer que c’est votre téléphone
    .detail = Nous avons déjà entendu cet appel.
    .next = Réessayez ; sinon, associez de nouveau le téléphone.
problem-too-many = C’était trop souvent
    .detail = Ce téléphone appelle trop souvent.
    .next = Attendez deux minutes, puis réessayez.
problem-busy = Un instant
    .detail = Autre chose est arrivé en même temps.
    .next = Réessayez dans quelques secondes.
problem-internal = Quelque chose n’a pas marché chez nous
    .detail = { $sure ->
    [1] Rien n’a été changé.
   *[other] Nous ne savons pas si cela a été fait.
}
    .next = Réessayez dans une minute ; si cela se répète, appelez l’assistance et lisez-lui le numéro ci-dessous.
problem-unknown = Cette question n’existe plus
    .detail = Elle n’est plus là.
    .next = Si vous voulez encore vous connecter, recommencez sur votre ordinateur.
problem-answered = Une réponse a déjà été donnée
    .detail = Cette question avait déjà sa réponse.
    .next = Si vous voulez encore vous connecter, recommencez sur votre ordinateur.
problem-expired = Le temps pour cette question est écoulé
    .detail = Rien n’a été confirmé.
    .next = Si vous voulez encore vous connecter, recommencez sur votre ordinateur.
problem-not-six-digits = Six chiffres, s’il vous plaît
    .detail = Ce ne sont pas six chiffres.
    .next = Saisissez les six chiffres que votre ordinateur affiche.
problem-wrong-digits = { $left ->
    [0] Trois fois d’autres chiffres : nous avons clos cette question
   *[other] Votre ordinateur affiche d’autres chiffres
}
    .detail = { $left ->
    [0] Personne n’est connecté ainsi.
    [one] Il vous reste { $left } essai.
   *[other] Il vous reste { $left } essais.
}
    .next = { $left ->
    [0] Si c’était vous, recommencez sur votre ordinateur. Sinon, appelez l’assistance.
   *[other] Regardez votre ordinateur et saisissez les six chiffres qu’il affiche maintenant.
}
problem-phone-blocked = Cinq numéros faux de suite : ce téléphone est bloqué
    .detail = Personne n’est connecté. Pour que personne ne puisse deviner, ce téléphone ne répond plus tant que l’assistance ne l’a pas débloqué.
    .next = Appelez-nous. Si vous n’avez pas saisi ces numéros vous-même, dites-le-nous.
problem-too-soon = Un instant, s’il vous plaît
    .detail = Après un numéro faux, le suivant n’est accepté que quelques secondes plus tard.
    .next = Regardez votre ordinateur et saisissez les six chiffres qu’il affiche maintenant.
problem-gone = Ce carré ne peut plus servir
    .detail = Un carré vaut cinq minutes et pour un seul téléphone.
    .next = Affichez-en un nouveau sur votre ordinateur et lisez-le.
problem-has-phone = Vous avez déjà un téléphone associé
    .detail = Le remplacer passe par l’assistance.
    .next = Appelez l’assistance pour le remplacer.
problem-credential = La nouvelle clé du téléphone n’a pas été acceptée
    .detail = Elle n’est pas du genre que nous acceptons.
    .next = Affichez un nouveau carré sur votre ordinateur et lisez-le. Si cela arrive deux fois, appelez l’assistance.
problem-push-slow = Le service de notifications du navigateur n’a pas répondu.
problem-push-off = Ce serveur n’avertit aucun téléphone
    .detail = Le site ne l’a pas activé.
    .next = Ouvrez vous-même l’app quand vous vous connectez : la question est ici.
problem-push-key = Nous ne pouvons pas avertir ce téléphone
    .detail = Ce que son navigateur a donné appartient à une autre clé.
    .next = Ouvrez l’app à nouveau. En attendant, ouvrez-la vous-même quand vous vous connectez : la question est ici.
problem-push-subscription = Nous ne pouvons pas avertir ce téléphone
    .detail = Ce que son navigateur a donné ne peut pas servir.
    .next = Ouvrez vous-même l’app quand vous vous connectez : la question est ici.
