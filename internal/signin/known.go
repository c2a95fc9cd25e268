package signin

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// A Known is an account that has signed in in a browser. It is no session: it opens nothing, and only keeps others' wrong
// guesses from closing the door there (package lockout). Each sign-in draws its names anew, so that a copy is another
// place than the owner's own browser.
type Known struct {
	Account  string // user name, normalised
	Password string // names the browser as a place of the password; "" for none
	Factor   string // names the browser as a place of the second factor; "" for none
	At       time.Time
}

// knownAs is what the browser shows of an account.
func (v Visit) knownAs(account string) Known {
	account = strings.ToLower(account)
	for _, k := range v.Known {
		if k.Account == account && account != "" {
			return k
		}
	}
	return Known{Account: account}
}

// known is what the browser is to show of the account from now on. A password says nothing of the second factor.
func (a *attempt) known() Known {
	k := a.visit.knownAs(a.username)
	k.At = a.at
	if a.kind == typedPassword {
		k.Password = uuid.NewString()
	} else {
		k.Factor = uuid.NewString()
	}
	return k
}
