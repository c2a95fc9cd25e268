package prt

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
)

// Keys have no ==, so that nobody can compare them in a time that tells where they differ; Equal is the only way. // P17
func TestKeysHaveNoEquals(t *testing.T) {
	for _, v := range []any{SessionKey{}, DerivedKey{}} {
		if reflect.TypeOf(v).Comparable() {
			t.Errorf("%T can be compared with ==", v)
		}
	}
}

// What decides about secrets, here and where passwords and certificates are checked, compares in constant time: no file
// uses bytes.Equal, and each that checks a MAC, a hash or a thumbprint calls a comparison of crypto/subtle or
// crypto/hmac. // P17
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	for file, want := range map[string]string{
		"proof.go":                "hmac.Equal",
		"nonce.go":                "subtle.ConstantTimeCompare",
		"key.go":                  "subtle.ConstantTimeCompare",
		"../password/password.go": "subtle.ConstantTimeCompare",
		"../signin/device.go":     "subtle.ConstantTimeCompare",
	} {
		calls := callsIn(t, file)
		if calls[want] == 0 {
			t.Errorf("%s does not call %s", file, want)
		}
		if calls["bytes.Equal"] > 0 || calls["bytes.Compare"] > 0 {
			t.Errorf("%s compares bytes in a time that depends on them", file)
		}
	}
}

// callsIn counts the calls of package functions in a file.
func callsIn(t *testing.T, file string) map[string]int {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	calls := map[string]int{}
	ast.Inspect(tree, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok {
					calls[strings.Join([]string{pkg.Name, sel.Sel.Name}, ".")]++
				}
			}
		}
		return true
	})
	return calls
}
