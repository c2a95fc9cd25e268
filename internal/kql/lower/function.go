package lower

import (
	"strconv"
	"strings"

	"boundgate/internal/kql/plan"
	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/sema"
)

// function lowers a call. Most functions are operations of the same name; the switch holds those whose meaning depends
// on the types of their arguments.
func (l *lowerer) function(c *sema.Call) plan.Expr {
	if len(c.Args) == 0 {
		return op(c.Fn)
	}
	t := c.Args[0].Type()
	switch c.Fn {
	case "and", "or", "not":
	case "tostring", "toguid":
		return l.toString(c.Args[0])
	case "toint", "tolong", "toreal", "tobool", "todatetime", "totimespan":
		return l.conversion(c.Fn, c.Args[0])
	case "json_of":
		return l.jsonOf(c.Args[0], "json_of")
	case "member":
		return l.member(c)
	case "element":
		return l.element(c)
	case "isempty", "isnotempty", "isnull", "isnotnull":
		return l.emptiness(c.Fn, c.Args[0])
	case "iff":
		return op("case", l.cond(c.Args[0]), l.expr(c.Args[1]), l.expr(c.Args[2]))
	case "case":
		out := op("case")
		for i, a := range c.Args {
			if i%2 == 0 && i < len(c.Args)-1 {
				out.Args = append(out.Args, l.cond(a))
				continue
			}
			out.Args = append(out.Args, l.expr(a))
		}
		return out
	case "coalesce":
		if isString(t) && isString(c.T) { // a string is never null: the first that is not empty
			out := op("coalesce")
			for _, a := range c.Args {
				out.Args = append(out.Args, op("nullif", l.expr(a), str("")))
			}
			out.Args = append(out.Args, str(""))
			return out
		}
	case "strcat":
		out := op("concat")
		for _, a := range c.Args {
			out.Args = append(out.Args, l.toString(a))
		}
		return out
	case "strcat_delim":
		out := op("concat", l.toString(c.Args[1]))
		for _, a := range c.Args[2:] {
			out.Args = append(out.Args, l.expr(c.Args[0]), l.toString(a))
		}
		return out
	case "pack_array", "bag_pack":
		return l.pack(c)
	case "bin":
		return l.bin(c)
	case "/", "%":
		if c.T == schema.Real {
			return op(c.Fn+"_real", op("as_real", l.expr(c.Args[0])), op("as_real", l.expr(c.Args[1])))
		}
	case "ceiling", "abs":
		if c.T != schema.Real {
			return op(c.Fn+"_long", l.expr(c.Args[0]))
		}
	case "round":
		digits := plan.Expr(&plan.Const{Value: int64(0), Type: schema.Long})
		if len(c.Args) > 1 {
			digits = l.expr(c.Args[1])
		}
		return op("round", op("as_real", l.expr(c.Args[0])), digits)
	case "set_has_element":
		return op("set_has_element", l.expr(c.Args[0]), l.jsonOf(c.Args[1], "json_of"))
	case "format_datetime":
		return op("format_datetime", l.expr(c.Args[0]), str(dateFormat(c.Args[1].(*sema.Const).Value.(string))))
	case "datetime_diff", "datetime_add":
		unit := strings.ToLower(c.Args[0].(*sema.Const).Value.(string))
		return op(c.Fn, str(unit), l.expr(c.Args[1]), l.expr(c.Args[2]))
	}
	out := op(c.Fn)
	for _, a := range c.Args {
		out.Args = append(out.Args, l.expr(a))
	}
	if strings.HasPrefix(c.Fn, "startof") || strings.HasPrefix(c.Fn, "endof") {
		if len(out.Args) == 1 {
			out.Args = append(out.Args, &plan.Const{Value: int64(0), Type: schema.Long})
		}
	}
	if c.Fn == "substring" && len(out.Args) == 2 {
		out.Args = append(out.Args, &plan.Const{Value: int64(1 << 30), Type: schema.Long})
	}
	return out
}

// toString is tostring: "" for null, the bare text of a JSON string, compact JSON for the rest.
func (l *lowerer) toString(x sema.Expr) plan.Expr {
	v := l.expr(x)
	switch t := x.Type(); t {
	case schema.String, schema.GUID:
		return v
	case schema.Dynamic:
		return op("coalesce", l.jsonText(v), str(""))
	default:
		return op("coalesce", op("text_"+string(t), v), str(""))
	}
}

// conversion is toint and its kin: null when the value does not convert.
func (l *lowerer) conversion(fn string, x sema.Expr) plan.Expr {
	t := x.Type()
	if t == schema.Dynamic {
		return op(fn+"_string", l.jsonText(l.expr(x)))
	}
	if fn == "to"+string(t) || fn == "totimespan" && t == schema.TimeSpan {
		return l.expr(x)
	}
	if t == schema.GUID {
		t = schema.String
	}
	return op(fn+"_"+string(t), l.expr(x))
}

// jsonOf is a value as JSON text; null stays null.
func (l *lowerer) jsonOf(x sema.Expr, dynamic string) plan.Expr {
	v := l.expr(x)
	switch x.Type() {
	case schema.Dynamic:
		if dynamic == "json_of" {
			return v
		}
		return op(dynamic, v)
	case schema.String, schema.GUID:
		return op("json_quote", v)
	case schema.DateTime, schema.TimeSpan:
		return op("json_quote", op("text_"+string(x.Type()), v))
	}
	return op("text_"+string(x.Type()), v)
}

// member is d.name: null when d is no bag or has no such member. A bag that is parse_json of a string is read from the
// string, which spares writing it anew: what is not JSON has no members either way.
func (l *lowerer) member(c *sema.Call) plan.Expr {
	of := unparsed(l.expr(c.Args[0]))
	if k, ok := c.Args[1].(*sema.Const); ok {
		path := memberPath(k.Value.(string))
		if o, ok := of.(*plan.Op); ok && o.Name == "json_member" {
			if whole := joinPaths(pathOf(o), path); whole != "" {
				return op("json_member", o.Args[0], str(whole))
			}
		}
		return op("json_member", of, str(path))
	}
	return op("json_member_named", of, l.expr(c.Args[1]))
}

// memberPath names a member in the JSON path language; a name that would need escapes there becomes a JSON pointer.
func memberPath(name string) string {
	if strings.ContainsAny(name, `"\*`) {
		return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return `$."` + name + `"`
}

// joinPaths makes one path of a path and another below it, or "" when one is a JSON pointer.
func joinPaths(a, b string) string {
	if !strings.HasPrefix(a, "$") || !strings.HasPrefix(b, "$") {
		return ""
	}
	return a + b[1:]
}

// pathOf is the constant path of a json_member or json_text_at.
func pathOf(o *plan.Op) string {
	if c, ok := o.Args[1].(*plan.Const); ok {
		s, _ := c.Value.(string)
		return s
	}
	return ""
}

func unparsed(x plan.Expr) plan.Expr {
	if o, ok := x.(*plan.Op); ok && o.Name == "parse_json" {
		return o.Args[0]
	}
	return x
}

// element is d[n]; a negative n counts from the end.
func (l *lowerer) element(c *sema.Call) plan.Expr {
	of := unparsed(l.expr(c.Args[0]))
	if k, ok := c.Args[1].(*sema.Const); ok {
		if n, ok := k.Value.(int64); ok {
			path := "$[" + strconv.FormatInt(n, 10) + "]"
			if n < 0 {
				path = "$[#" + strconv.FormatInt(n, 10) + "]"
			}
			return op("json_path", of, str(path))
		}
	}
	return op("json_element", of, l.expr(c.Args[1]))
}

// emptiness is isempty and its kin. A string is never null; the empty string is empty.
func (l *lowerer) emptiness(fn string, x sema.Expr) plan.Expr {
	v := l.expr(x)
	t := x.Type()
	negative := strings.HasPrefix(fn, "isnot")
	switch {
	case isString(t) && strings.HasSuffix(fn, "null"):
		return &plan.Const{Value: negative, Type: schema.Bool}
	case isString(t):
		return op(map[bool]string{false: "=", true: "<>"}[negative], v, str(""))
	case t == schema.Dynamic:
		v = l.jsonText(v)
		if strings.HasSuffix(fn, "empty") {
			v = op("nullif", v, str(""))
		}
	}
	return op(map[bool]string{false: "isnull", true: "isnotnull"}[negative], v)
}

// pack makes an array, or a bag of names and values, as JSON text.
func (l *lowerer) pack(c *sema.Call) plan.Expr {
	array := c.Fn == "pack_array"
	out := op("concat", str(map[bool]string{true: "[", false: "{"}[array]))
	for i, a := range c.Args {
		switch {
		case i == 0:
		case array || i%2 == 0:
			out.Args = append(out.Args, str(","))
		default:
			out.Args = append(out.Args, str(":"))
		}
		out.Args = append(out.Args, op("coalesce", l.jsonOf(a, "json_of"), str("null")))
	}
	out.Args = append(out.Args, str(map[bool]string{true: "]", false: "}"}[array]))
	return out
}

// bin is the greatest multiple of the size that is not above the value; null for a size that is not positive. For
// datetimes the multiples count from the year 1, so that bins of 7d start on Mondays.
func (l *lowerer) bin(c *sema.Call) plan.Expr {
	x, size := l.expr(c.Args[0]), l.expr(c.Args[1])
	switch {
	case c.Args[0].Type() == schema.DateTime:
		return op("bin_datetime", x, size)
	case c.T == schema.Real:
		return op("bin_real", op("as_real", x), op("as_real", size))
	}
	return op("bin_long", x, size)
}

// dateFormat translates the letters of format_datetime into those of strftime.
func dateFormat(f string) string {
	letters := []struct{ kql, strf string }{
		{"yyyy", "%Y"}, {"yy", "%y"}, {"MM", "%m"}, {"M", "%-m"}, {"dd", "%d"}, {"d", "%-d"}, {"HH", "%H"}, {"H", "%-H"},
		{"hh", "%I"}, {"h", "%-I"}, {"mm", "%M"}, {"m", "%-M"}, {"ss", "%S"}, {"s", "%-S"}, {"tt", "%p"}, {"fffffff", "%f0"},
		{"ffffff", "%f"}, {"fff", "%g"},
	}
	var b strings.Builder
next:
	for len(f) > 0 {
		for _, l := range letters {
			if strings.HasPrefix(f, l.kql) {
				b.WriteString(l.strf)
				f = f[len(l.kql):]
				continue next
			}
		}
		if f[0] == '%' {
			b.WriteByte('%')
		}
		b.WriteByte(f[0])
		f = f[1:]
	}
	return b.String()
}
