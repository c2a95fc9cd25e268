package devicefilter

import "strings"

// operator is a comparison. Each negative operator follows its positive one.
type operator uint8

const (
	opEq operator = iota
	opNe
	opStartsWith
	opNotStartsWith
	opEndsWith
	opNotEndsWith
	opContains
	opNotContains
	opIn
	opNotIn
	operatorCount
)

var operatorNames = [operatorCount]string{
	"eq", "ne", "startsWith", "notStartsWith", "endsWith", "notEndsWith", "contains", "notContains", "in", "notIn",
}

func (o operator) String() string { return "-" + operatorNames[o] }

// negative reports whether o is the denial of the operator before it.
func (o operator) negative() bool { return o%2 == 1 }

// positive returns the operator that o denies, or o itself.
func (o operator) positive() operator { return o &^ 1 }

var operatorsByName = func() map[string]operator {
	byName := make(map[string]operator, operatorCount)
	for o := range operatorCount {
		byName[strings.ToLower(operatorNames[o])] = o
	}
	return byName
}()

// operatorNamed reads an operator in any case, with or without its hyphen.
func operatorNamed(word string) (operator, bool) {
	o, ok := operatorsByName[strings.TrimPrefix(strings.ToLower(word), "-")]
	return o, ok
}

// opSet is a set of operators.
type opSet uint16

func (s opSet) has(o operator) bool { return s&(1<<o) != 0 }

// String lists the operators of s for a message.
func (s opSet) String() string {
	var names []string
	for o := range operatorCount {
		if s.has(o) {
			names = append(names, o.String())
		}
	}
	return strings.Join(names, ", ")
}

// foreignOperators gives the filter's operator for those of other languages; "" where there is none.
var foreignOperators = map[string]string{
	"match": "", "notmatch": "", "any": "", "all": "", "le": "", "ge": "", "lt": "", "gt": "",
	"like": "-contains", "notlike": "-notContains",
	"=": "-eq", "==": "-eq", "!=": "-ne", "<>": "-ne", "equals": "-eq", "notequals": "-ne",
}
