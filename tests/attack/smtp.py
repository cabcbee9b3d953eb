"""A real mail server for the tests: STARTTLS or nothing; each message as one line of JSON.

Called with port, certificate, key and the file to write to.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Keeper:
    def __init__(self, file):
        self.file = file

    async def handle_DATA(self, server, session, envelope):
        message = {
            "tls": session.ssl is not None,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode("utf-8", "replace"),
        }
        with open(self.file, "a", encoding="utf-8") as kept:
            kept.write(json.dumps(message) + "\n")
        # It lies here a while before the gate hears so: a gate that is stopped meanwhile must not send it again.
        await asyncio.sleep(0.4)
        return "250 OK"


async def main(port, certificate, key, file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    keeper = Keeper(file)
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(keeper, tls_context=context, require_starttls=True, hostname="localhost")
    server = await loop.create_server(make, "localhost", port)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), *sys.argv[2:5]))
