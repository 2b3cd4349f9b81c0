"""Which prompts of a device ask for the password of a login. The words, and the prompts of the test, are those of host-example's
own worker."""

import re

_PASSWORD = re.compile(
    r"pass ?w(or)?d|passwort|kennwort|mot de passe|contrase|senha|wachtwoord|lösenord|passord|adgangskode|"
    r"salasana|has[lł]o|heslo|jelsz|parol|şifre|пароль|密码|密碼|パスワード|암호|\bpass\s*:|\bpwd\b",
    re.IGNORECASE,
)
#: Words of prompts that ask for something else than the password that the login has.
_OTHER = re.compile(
    r"\b(code|pin|token|otp|totp|hotp|oath|one[- ]?time|verif\w*|authenticator|duo|yubi\w*|\w*factor|"
    r"[2m]fa|passcode|pass code|passphrase|securid|challenge|response|dynamic|temporary|sms|e-?mail(ed)?|"
    r"phone|push|next|new|neu\w*|nouveau|nueva|nova|old|alte?s?|current|change\w*|chang(e|ing)|expire\w*|"
    r"retype|re-?enter|repeat|again|confirm\w*|enable|privileged?|secret|key|pem|s/key|skey|otp-\w+)\b|"
    r"新|再|旧|确认|новый|повтор",
    re.IGNORECASE,
)


def whole(title, instructions, prompt):
    """Returns a prompt with what the device said before it, where the prompt alone says nothing."""
    return prompt if any(map(str.isalpha, prompt)) else f"{title} {instructions} {prompt}"


def asks_password(prompt, *names):
    """Reports whether a prompt asks for the password of the login, and for nothing else: no code, no PIN, no token, no new password.
    Names, such as those of the user and of the device, don't count as words."""
    prompt = re.sub(r"\S+@\S+", " ", prompt.replace("'s ", " "))
    for name in names:
        if len(name) > 1:
            prompt = re.sub(rf"(^|\W){re.escape(name)}($|\W)", r"\1 \2", prompt, flags=re.IGNORECASE)
    return bool(_PASSWORD.search(prompt)) and not _OTHER.search(prompt)


def asks_again(prompt, *names):
    """Does the same after the password was shown: what asks for it again has refused it, also where the prompt says so."""
    return asks_password(re.sub(r"\b(again|repeat)\b", " ", prompt, flags=re.IGNORECASE), *names)
