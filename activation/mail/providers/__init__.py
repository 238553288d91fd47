"""What e-mail providers post when a message bounced or was complained of: a module for each."""

from __future__ import annotations

from activation.mail.providers.mailgun import mailgun
from activation.mail.providers.postmark import postmark
from activation.mail.providers.protocol import Provider
from activation.mail.providers.sendgrid import sendgrid as _sendgrid
from activation.mail.providers.ses import ses

PROVIDERS: dict[str, Provider] = {
    "ses": ses,
    "sendgrid": _sendgrid,
    "postmark": postmark,
    "mailgun": mailgun,
}
