package terminal

import (
	"regexp"
	"strings"
)

var (
	passwordWords = regexp.MustCompile(`(?i)pass ?w(or)?d|passwort|kennwort|mot de passe|contrase|senha|wachtwoord|lösenord|passord|adgangskode|salasana|has[lł]o|heslo|jelsz|parol|şifre|пароль|密码|密碼|パスワード|암호|\bpass\s*:|\bpwd\b`)
	// otherWords are of prompts that ask for something else than the password that the login has.
	otherWords = regexp.MustCompile(`(?i)\b(code|pin|token|otp|totp|hotp|oath|one[- ]?time|verif\w*|authenticator|duo|yubi\w*|\w*factor|[2m]fa|passcode|pass code|passphrase|securid|challenge|response|dynamic|temporary|sms|e-?mail(ed)?|phone|push|next|new|neu\w*|nouveau|nueva|nova|old|alte?s?|current|change\w*|chang(e|ing)|expire\w*|retype|re-?enter|repeat|again|confirm\w*|enable|privileged?|secret|key|pem|s/key|skey|otp-\w+)\b|新|再|旧|确认|новый|повтор`)
)

// AsksSecret does the same for the password of a command such as enable, whose prompt may name it.
func AsksSecret(prompt string) bool {
	return AsksPassword(regexp.MustCompile(`(?i)\b(enable|privileged?|secret)\b`).ReplaceAllString(prompt, " "))
}

// AsksPassword reports whether a prompt asks for the password of the login, and for nothing else: no code, no PIN, no token,
// no new password. names, such as those of the user and of the device, don't count as words.
func AsksPassword(prompt string, names ...string) bool {
	prompt = regexp.MustCompile(`\S+@\S+`).ReplaceAllString(strings.ReplaceAll(prompt, "'s ", " "), " ")
	for _, name := range names {
		if len(name) > 1 {
			prompt = regexp.MustCompile(`(?i)(^|[^\pL\pN_])`+regexp.QuoteMeta(name)+`($|[^\pL\pN_])`).ReplaceAllString(prompt, "$1 $2")
		}
	}
	return passwordWords.MatchString(prompt) && !otherWords.MatchString(prompt)
}

// AsksAgain does the same after the password was shown: what asks for it again has refused it, also where the prompt says so.
func AsksAgain(prompt string, names ...string) bool {
	return AsksPassword(regexp.MustCompile(`(?i)\b(again|repeat)\b`).ReplaceAllString(prompt, " "), names...)
}
