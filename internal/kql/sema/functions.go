package sema

import "boundgate/internal/kql/schema"

// A naming says what a function does to the automatic name of its result's column.
type naming int

const (
	unnamed      naming = iota // Column1
	keepsName                  // that of the first argument
	prefixesName               // the function's, an underscore, the first argument's
)

// A class is the set of types an argument may have.
type class string

const (
	anything class = "anything"
	text     class = "a string" // or dynamic, which is taken as text
	number   class = "a number" // or dynamic, which is converted
	integer  class = "an integer"
	moment   class = "a datetime"
	span     class = "a timespan"
	boolean  class = "a bool"
	bag      class = "a dynamic" // or a string constant
	constant class = "a constant string"
)

// A function is a scalar function. The last argument class repeats up to max.
type function struct {
	alias    string // the name it is known by inside; "" when it is its own
	args     []class
	min, max int
	result   schema.Type // "" when resultOf tells
	resultOf func(args []Expr) schema.Type
	naming   naming
}

const many = 64

func fixed(result schema.Type, args ...class) function {
	return function{args: args, min: len(args), max: len(args), result: result}
}

func (f function) named(n naming) function   { f.naming = n; return f }
func (f function) as(alias string) function  { f.alias = alias; return f }
func (f function) from(minimum int) function { f.min = minimum; return f }
func (f function) typed(of func([]Expr) schema.Type) function {
	f.resultOf = of
	return f
}

func firstType(args []Expr) schema.Type { return args[0].Type() }

var functions map[string]function

func init() {
	tostring := fixed(schema.String, anything).named(keepsName)
	parseJSON := fixed(schema.Dynamic, anything).named(keepsName).as("parse_json")
	toreal := fixed(schema.Real, anything).named(keepsName).as("toreal")
	tobool := fixed(schema.Bool, anything).named(keepsName).as("tobool")
	iff := fixed("", boolean, anything, anything).typed(func(a []Expr) schema.Type { return commonType(a[1:]) }).as("iff")
	bin := fixed("", anything, anything).typed(binType).named(keepsName).as("bin")
	start := function{args: []class{moment, integer}, min: 1, max: 2, result: schema.DateTime, naming: keepsName}
	functions = map[string]function{
		"tostring": tostring,
		"toint":    fixed(schema.Int, anything).named(keepsName),
		"tolong":   fixed(schema.Long, anything).named(keepsName),
		"toreal":   toreal, "todouble": toreal, "todecimal": toreal,
		"tobool": tobool, "toboolean": tobool,
		"todatetime": fixed(schema.DateTime, anything).named(keepsName),
		"totimespan": fixed(schema.TimeSpan, anything).named(keepsName),
		"toguid":     fixed(schema.GUID, anything).named(keepsName),
		"parse_json": parseJSON, "todynamic": parseJSON, "parsejson": parseJSON, "toobject": parseJSON,

		"iff": iff, "iif": iff,
		"case":       function{args: []class{anything}, min: 3, max: 2*many + 1}.typed(caseType),
		"coalesce":   function{args: []class{anything}, min: 2, max: many}.typed(commonType),
		"max_of":     function{args: []class{anything}, min: 2, max: many}.typed(commonType),
		"min_of":     function{args: []class{anything}, min: 2, max: many}.typed(commonType),
		"isempty":    fixed(schema.Bool, anything),
		"isnotempty": fixed(schema.Bool, anything), "notempty": fixed(schema.Bool, anything).as("isnotempty"),
		"isnull":    fixed(schema.Bool, anything),
		"isnotnull": fixed(schema.Bool, anything), "notnull": fixed(schema.Bool, anything).as("isnotnull"),
		"not": fixed(schema.Bool, boolean),

		"tolower":        fixed(schema.String, text),
		"toupper":        fixed(schema.String, text),
		"strcat":         function{args: []class{anything}, min: 1, max: many, result: schema.String},
		"strcat_delim":   function{args: []class{text, anything}, min: 2, max: many, result: schema.String},
		"strlen":         fixed(schema.Long, text).named(prefixesName),
		"split":          fixed(schema.Dynamic, text, text).named(keepsName),
		"substring":      fixed(schema.String, text, integer, integer).from(2),
		"replace_string": fixed(schema.String, text, text, text),
		"replace_regex":  fixed(schema.String, text, constant, text), "replace": fixed(schema.String, constant, text, text),
		"extract":      fixed(schema.String, constant, integer, text),
		"indexof":      fixed(schema.Long, text, text),
		"strcat_array": fixed(schema.String, bag, text),
		"trim":         fixed(schema.String, constant, text),

		"array_length":    fixed(schema.Long, bag).named(prefixesName),
		"pack_array":      function{args: []class{anything}, min: 1, max: many, result: schema.Dynamic},
		"bag_pack":        function{args: []class{anything}, min: 2, max: many, result: schema.Dynamic},
		"bag_keys":        fixed(schema.Dynamic, bag),
		"set_has_element": fixed(schema.Bool, bag, anything),

		"bin": bin, "floor": bin,
		"ceiling": fixed("", number).typed(firstType),
		"round":   fixed(schema.Real, number, integer).from(1).named(keepsName),
		"abs":     fixed("", number).typed(firstType),

		"now":          fixed(schema.DateTime, span).from(0),
		"ago":          fixed(schema.DateTime, span),
		"startofday":   start,
		"startofweek":  start,
		"startofmonth": start,
		"startofyear":  start,
		"endofday":     start,
		"hourofday":    fixed(schema.Int, moment).named(keepsName),
		"dayofweek":    fixed(schema.TimeSpan, moment).named(keepsName),
		"dayofmonth":   fixed(schema.Int, moment).named(keepsName),
		"getyear":      fixed(schema.Int, moment).named(keepsName),
		"getmonth":     fixed(schema.Int, moment).named(keepsName), "monthofyear": fixed(schema.Int, moment).named(keepsName).as("getmonth"),
		"datetime_diff":                    fixed(schema.Long, constant, moment, moment),
		"datetime_add":                     fixed(schema.DateTime, constant, integer, moment),
		"format_datetime":                  fixed(schema.String, moment, constant).named(keepsName),
		"unixtime_seconds_todatetime":      fixed(schema.DateTime, number).named(keepsName),
		"unixtime_milliseconds_todatetime": fixed(schema.DateTime, number).named(keepsName),
	}
}

func isNumber(t schema.Type) bool { return t == schema.Long || t == schema.Int || t == schema.Real }

// commonType is the type that all of the values can have: theirs when it is one, the widest of numbers, else dynamic.
func commonType(args []Expr) schema.Type {
	t := args[0].Type()
	for _, a := range args[1:] {
		u := a.Type()
		switch {
		case t == u:
		case isNumber(t) && isNumber(u):
			t = widest(t, u)
		default:
			return schema.Dynamic
		}
	}
	return t
}

func widest(t, u schema.Type) schema.Type {
	switch {
	case t == schema.Real || u == schema.Real:
		return schema.Real
	case t == schema.Long || u == schema.Long:
		return schema.Long
	}
	return schema.Int
}

func caseType(args []Expr) schema.Type {
	var values []Expr
	for i := 1; i < len(args); i += 2 {
		values = append(values, args[i])
	}
	return commonType(append(values, args[len(args)-1]))
}

func binType(args []Expr) schema.Type {
	if isNumber(args[0].Type()) && isNumber(args[1].Type()) {
		return widest(args[0].Type(), args[1].Type())
	}
	return args[0].Type()
}

// An aggregate is an aggregate function.
type aggregate struct {
	fn         string // the name it is known by inside
	name       string // the automatic name's first half; "-" when it is the argument's name alone
	namedByArg bool
	args       []class
	min        int
	result     schema.Type // "" for the type of the first argument
}

var aggregates = map[string]aggregate{
	"count":        {fn: "count", name: "count", args: []class{boolean}, result: schema.Long},
	"countif":      {fn: "countif", name: "countif", args: []class{boolean}, min: 1, result: schema.Long},
	"dcount":       {fn: "dcount", name: "dcount", namedByArg: true, args: []class{anything, integer}, min: 1, result: schema.Long},
	"dcountif":     {fn: "dcountif", name: "dcountif", namedByArg: true, args: []class{anything, boolean, integer}, min: 2, result: schema.Long},
	"sum":          {fn: "sum", name: "sum", namedByArg: true, args: []class{number}, min: 1},
	"sumif":        {fn: "sumif", name: "sumif", namedByArg: true, args: []class{number, boolean}, min: 2},
	"avg":          {fn: "avg", name: "avg", namedByArg: true, args: []class{number}, min: 1},
	"stdev":        {fn: "stdev", name: "stdev", namedByArg: true, args: []class{number}, min: 1, result: schema.Real},
	"min":          {fn: "min", name: "min", namedByArg: true, args: []class{anything}, min: 1},
	"max":          {fn: "max", name: "max", namedByArg: true, args: []class{anything}, min: 1},
	"percentile":   {fn: "percentile", name: "percentile", namedByArg: true, args: []class{number, number}, min: 2},
	"make_set":     {fn: "make_set", name: "set", namedByArg: true, args: []class{anything, integer}, min: 1, result: schema.Dynamic},
	"makeset":      {fn: "make_set", name: "set", namedByArg: true, args: []class{anything, integer}, min: 1, result: schema.Dynamic},
	"make_set_if":  {fn: "make_set_if", name: "set", namedByArg: true, args: []class{anything, boolean, integer}, min: 2, result: schema.Dynamic},
	"make_list":    {fn: "make_list", name: "list", namedByArg: true, args: []class{anything, integer}, min: 1, result: schema.Dynamic},
	"makelist":     {fn: "make_list", name: "list", namedByArg: true, args: []class{anything, integer}, min: 1, result: schema.Dynamic},
	"make_list_if": {fn: "make_list_if", name: "list", namedByArg: true, args: []class{anything, boolean, integer}, min: 2, result: schema.Dynamic},
	"take_any":     {fn: "take_any", name: "-", namedByArg: true, args: []class{anything}, min: 1},
	"any":          {fn: "take_any", name: "any", namedByArg: true, args: []class{anything}, min: 1},
	"arg_max":      {fn: "arg_max", name: "-", namedByArg: true, args: []class{anything}, min: 1},
	"arg_min":      {fn: "arg_min", name: "-", namedByArg: true, args: []class{anything}, min: 1},
	"argmax":       {fn: "arg_max", name: "-", namedByArg: true, args: []class{anything}, min: 1},
	"argmin":       {fn: "arg_min", name: "-", namedByArg: true, args: []class{anything}, min: 1},
}
