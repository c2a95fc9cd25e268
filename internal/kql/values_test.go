package kql_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/kql"
)

func TestScalars(t *testing.T) {
	db := openDB(t, nil)
	for _, tt := range []struct{ expr, want string }{
		// Null: the table of the language's reference. d.x is null, d.s is "abc".
		{`int(null) == 1`, "false"},
		{`int(null) != 1`, "true"},
		{`int(null) == int(null)`, "null"},
		{`int(null) != int(null)`, "null"},
		{`int(null) < 1`, "null"},
		{`int(null) + 1`, "null"},
		{`not(int(null) == 1)`, "true"},
		{`dynamic({"s":"abc"}).x == "abc"`, "false"},
		{`dynamic({"s":"abc"}).x != "abc"`, "true"},
		{`dynamic({"s":"abc"}).x contains "abc"`, "false"},
		{`dynamic({"s":"abc"}).x !contains "abc"`, "true"},
		{`dynamic({"s":"abc"}).x in ("abc")`, "false"},
		{`dynamic({"s":"abc"}).x !in ("abc")`, "true"},
		{`dynamic({"s":null}).s != "abc"`, "true"},
		{`iff(int(null) == int(null), "yes", "no")`, "no"},
		{`case(int(null) > 1, "a", false, "b", "c")`, "c"},
		{`isnull(int(null)), isnotnull(1), isnull(""), isempty(""), isnotempty("a")`, "true|true|false|true|true"},
		{`isnull(dynamic({"a":null}).a), isempty(dynamic({"a":""}).a)`, "true|true"},
		// Dynamic and string.
		{`dynamic({"s":"abc"}).s == "abc"`, "true"},
		{`dynamic({"n":5}).n == "5"`, "true"},
		{`dynamic({"n":5}).n == 5, dynamic({"n":"5"}).n == 5`, "true|true"},
		{`dynamic({"a":["x","y"]}).a == '["x","y"]'`, "true"},
		{`dynamic({"a":["x", "y"]}).a contains '["X"]'`, "false"},
		{`dynamic({"a":["x"]}).a contains '["X"]'`, "true"},
		{`dynamic({"n":50126}).n in (50126, 1)`, "true"},
		{`tostring(dynamic({"b":true}).b), tostring(dynamic([1,{"a":"b"}])), tostring(dynamic(null))`, `true|[1,{"a":"b"}]|`},
		{`tostring(dynamic({"c":1003}).c) == 1003`, "true"},
		{`dynamic([1,2,3])[-1], dynamic([1,2,3])[0], dynamic([1])[5], dynamic({"a":{"b":7}}).a.b`, "3|1|null|7"},
		{`dynamic({"a b":1})["a b"], dynamic({"a\"b":1})['a"b']`, "1|1"},
		{`parse_json("{\"a\": [1, 2]}")`, `{"a":[1,2]}`},
		{`parse_json("not json"), parse_json("").a, parse_json("not json").a, parse_json("[1")[0]`, `"not json"|null|null|null`},
		{`array_length(dynamic([1,2])), array_length(dynamic({})), array_length(parse_json("x"))`, "2|null|null"},
		// Case and terms.
		{`"Abc" == "abc", "Abc" =~ "aBC", "Abc" !~ "aBC", "Abc" != "abc"`, "false|true|false|true"},
		{`"Hello World" contains "lo wo", "Hello" contains_cs "hello", "Hello" !contains "ELL"`, "true|false|false"},
		{`"Hello" startswith "hE", "Hello" !startswith "hE", "Hello" endswith "LO", "Hello" !endswith "LO"`, "true|false|true|false"},
		{`"Hello" startswith_cs "hE", "50%" contains "%", "a_b" contains "axb"`, "false|true|false"},
		{`"North America" has "america", "North America" has "amer", "North America" !has "amer"`, "true|false|true"},
		{`"KustoExplorer" has "Explorer", "a-b_c.d" has "b", "user@contoso.com x" has "user@contoso.com"`, "false|true|true"},
		{`"Office 365 Exchange" has "office 365", "abc" has "", "x (y)" has "(y)"`, "true|true|true"},
		{`"North America" has_any ("x", "north"), "North America" has_all ("america", "north"), "North" has_all ("america", "north")`, "true|true|false"},
		{`"a" in ("A"), "a" in~ ("A"), "a" !in ("A"), "a" !in~ ("A"), "a" in ("b", "a")`, "false|true|true|false|true"},
		{`"ab12" matches regex "^[a-z]+[0-9]+$", "AB" matches regex "^ab$"`, "true|false"},
		{`"0" == 0, "5" in (5, 7), "5" != 5`, "true|true|false"},
		// Numbers.
		{`7 / 2, -7 / 2, 7 / 2.0, 100.0 * 1 / 3`, "3|-3|3.5|33.333333333333336"},
		{`1 / 0, 7 % 3, round(2.345, 2), round(1.5)`, "null|1|2.35|2"},
		{`bin(7, 5), bin(-3, 5), bin(2.7, 0.5), bin(5, 0)`, "5|-5|2.5|null"},
		{`toint("5"), toint("x"), tolong("1.9"), toreal("1.5"), tobool("true"), tobool("1"), tobool("x"), toint(2.9)`, "5|null|1|1.5|true|true|null|2"},
		{`max_of(1, 3, 2), min_of(1, 3, 2), abs(-3), coalesce(int(null), 4), coalesce("", "b")`, "3|1|3|4|b"},
		// Text.
		{`strcat("a", 1, int(null), true), strlen("abc"), tolower("AB"), toupper("ab")`, "a1true|3|ab|AB"},
		{`substring("hello", 1, 3), substring("hello", 3), split("a,b", ",")[1], split("a", "")`, `ell|lo|"b"|["a"]`},
		{`replace_string("a.a", ".", "-"), replace_regex("a1b2", "[0-9]", "#"), extract("([0-9]+)", 1, "ab12"), extract("x", 0, "ab")`, "a-a|a#b#|12|"},
		{`pack_array(1, "a", dynamic([2])), bag_pack("k", 1, "l", "m")`, `[1,"a",[2]]|{"k":1,"l":"m"}`},
		// Time. Now is a Sunday noon.
		{`now(), ago(1d), ago(7 * 1d)`, "2026-02-01T12:00:00|2026-01-31T12:00:00|2026-01-25T12:00:00"},
		{`startofday(now()), bin(now(), 1h), bin(now(), 7d), startofweek(now() - 1d)`, "2026-02-01T00:00:00|2026-02-01T12:00:00|2026-01-26T00:00:00|2026-01-25T00:00:00"},
		{`datetime_diff("hour", datetime(2026-01-01 11:01), datetime(2026-01-01 10:59)), datetime_diff("Day", ago(2d), now())`, "1|-2"},
		{`1h / 5m, 1h + 30m, now() - ago(1h), 2 * 1h`, "12|5400000000|3600000000|7200000000"},
		{`datetime(2026-01-31 10:00) == todatetime("2026-01-31T10:00:00Z"), todatetime("2026-01-31T12:00:00+02:00"), todatetime("x")`, "true|2026-01-31T10:00:00|null"},
		{`tostring(datetime(2026-01-31 10:00)), tostring(1d + 2h), tostring(1.5s), tostring(5)`, "2026-01-31T10:00:00.0000000Z|1.02:00:00|00:00:01.5000000|5"},
		{`hourofday(now()), dayofweek(now()), dayofweek(now() - 1d) == 6d`, "12|0|true"},
		{`format_datetime(now(), "yyyy-MM-dd HH:mm:ss"), now() between (ago(1d) .. 2d), 5 between (1 .. 5), 5 !between (1 .. 5)`, "2026-02-01 12:00:00|true|true|false"},
		{`strcat_delim("-", 1, "a", true), indexof("abc", "c"), indexof("abc", "x"), strcat_array(dynamic(["a", 1]), "+"), trim("-+", "--a-b-")`, "1-a-true|2|-1|a+1|a-b"},
		{`bag_keys(dynamic({"a":1,"b":2})), set_has_element(dynamic(["a", 1]), "a"), set_has_element(dynamic(["a"]), 1), set_has_element(dynamic({}), 1)`, `["a","b"]|true|false|false`},
		{`floor(7, 5), ceiling(1.2), ceiling(3), startofmonth(now()), startofyear(now(), -1), endofday(ago(1d)), startofday(now(), 1)`, "5|2|3|2026-02-01T00:00:00|2025-01-01T00:00:00|2026-01-31T23:59:59|2026-02-02T00:00:00"},
		{`dayofmonth(now()), getyear(now()), monthofyear(now()), datetime_add("month", 1, now()), unixtime_seconds_todatetime(86400), unixtime_milliseconds_todatetime(1000)`, "1|2026|2|2026-03-01T12:00:00|1970-01-02T00:00:00|1970-01-01T00:00:01"},
		{`totimespan("1.02:00:00"), totimespan("00:10:00"), totimespan("x"), toguid("AB"), notempty("a"), notnull(1), toint(true), tobool(2), tolong(1.9)`, "93600000000|600000000|null|AB|true|true|1|true|1"},
		{`"a b" has tolower("B"), "ab" has tolower("B"), "a.b" has tolower(".b"), "Ab c" has_cs "ab"`, "true|false|true|false"},
		{`iff(true, 1, "a"), iff(false, 1, 2.5), case(false, 1, true, 2, 3), iff(true, now(), now())`, "1|2.5|2|2026-02-01T12:00:00"},
		{`-1h, -(2), +3, 5 % 3, 1.5 % 1, 1h % 7m, 0x1F, 1e3, now(-1d)`, "-3600000000|-2|3|2|0.5|240000000|31|1000|2026-01-31T12:00:00"},
		{`tostring(real(nan)) == "", tostring(1.5), tostring(true), tostring(guid(74be27de-1e4e-49d9-b579-fe0b331d3642))`, "false|1.5|true|74be27de-1e4e-49d9-b579-fe0b331d3642"},
		{`timespan(1.02:03:04), time(2), 100ms, 7d`, "93784000000|172800000000|100000|604800000000"},
	} {
		_, got := run(t, db, kql.Options{Schema: signIns(false), Now: now}, "print "+tt.expr)
		if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
			t.Errorf("print %s\n%s", tt.expr, diff)
		}
	}
}

// smallRows: four sign-ins; the second has nulls, the fourth is old.
func smallRows() []row {
	return []row{
		{ago: 10 * time.Minute, id: "1", user: "ann", app: "A", result: "0", attempts: 1, score: 1.5, interactive: true, policies: `[{"result":"x"},{"result":"y"}]`, status: `{"errorCode":0}`, token: `{"signInSessionStatusCode":1002}`},
		{ago: 12 * time.Minute, id: "2", user: "bob", app: "B", result: "50126", policies: "null", status: "null", token: "null"},
		{ago: 30 * time.Minute, id: "3", user: "ann", app: "", result: "50126", attempts: 5, score: 0.5, interactive: false, policies: `[]`, status: `{"errorCode":50126}`, token: `{"signInSessionStatusCode":"x"}`},
		{ago: 50 * time.Hour, id: "4", user: "cid", app: "A", result: "0", attempts: 2, score: 2.5, interactive: true, policies: `[{"result":"x","n":{"a":1}}]`, status: `{"errorCode":0,"other":"o"}`, token: `{}`},
	}
}

func nonInteractiveRows() []row {
	return []row{{ago: 20 * time.Minute, id: "9", user: "ann", app: "Z", result: "0", policies: `[{"result":"x"}]`, status: "", token: "bad"}}
}

func TestOperators(t *testing.T) {
	db := openDB(t, map[string][]row{"signin": smallRows(), "noninteractive": nonInteractiveRows()})
	for _, tt := range []struct{ query, columns, want string }{
		{`SigninLogs | count`, "Count:long", "4"},
		{`SigninLogs | where TimeGenerated > ago(1h) and ResultType != "0" | summarize count() by bin(TimeGenerated, 5m) | sort by TimeGenerated asc`,
			"TimeGenerated:datetime, count_:long", "2026-02-01T11:30:00|1 2026-02-01T11:45:00|1"},
		{`SigninLogs | project TimeGenerated, UserPrincipalName, ResultType | take 0`, "TimeGenerated:datetime, UserPrincipalName:string, ResultType:string", ""},
		{`SigninLogs | sort by Attempts | project Id`, "Id:string", "3 4 1 2"},
		{`SigninLogs | sort by Attempts asc | project Id`, "Id:string", "2 1 4 3"},
		{`SigninLogs | order by Attempts desc nulls first | where Id != "4" | extend x = 1 | project Id, x`, "Id:string, x:long", "2|1 3|1 1|1"},
		{`SigninLogs | top 2 by Attempts | project Id`, "Id:string", "3 4"},
		{`SigninLogs | sort by UserPrincipalName asc, Id desc | project Id`, "Id:string", "3 1 2 4"},
		{`SigninLogs | project Id, d = parse_json('{"x":"a"}'), c = Status | where d.x == "a" and c.errorCode == 50126 | extend e = c.errorCode | where e != 1`,
			"Id:string, d:dynamic, c:dynamic, e:dynamic", `3|{"x":"a"}|{"errorCode":50126}|50126`},
		{`SigninLogs | where Id == "1" | summarize count() by tostring(Code = Status.errorCode), x = 1000. + 1`, "Code:string, x:real, count_:long", "0|1001|1"},
		{`SigninLogs | distinct UserPrincipalName | sort by UserPrincipalName asc`, "UserPrincipalName:string", "ann bob cid"},
		{`SigninLogs | summarize count(), count(), dcount(UserPrincipalName), max(Attempts), x = sum(Attempts), avg(Score)`,
			"count_:long, count_1:long, dcount_UserPrincipalName:long, max_Attempts:long, x:long, avg_Score:real", "4|4|3|5|8|1.5"},
		{`SigninLogs | where Id == "none" | summarize count(), sum(Attempts), max(Attempts), make_set(Id), take_any(Id)`,
			"count_:long, sum_Attempts:long, max_Attempts:long, set_Id:dynamic, Id:string", "0|0|null|[]|"},
		{`SigninLogs | where Id == "none" | summarize count() by Id`, "Id:string, count_:long", ""},
		{`SigninLogs | summarize make_set(UserPrincipalName), make_list(Attempts)  | project array_length(list_Attempts), set_UserPrincipalName`,
			"array_length_list_Attempts:long, set_UserPrincipalName:dynamic", `3|["ann","bob","cid"]`},
		{`SigninLogs | sort by Id asc | summarize make_list(Id)`, "list_Id:dynamic", `["1","2","3","4"]`},
		{`SigninLogs | summarize arg_max(TimeGenerated, Id, ResultType) by UserPrincipalName | sort by UserPrincipalName asc`,
			"UserPrincipalName:string, TimeGenerated:datetime, Id:string, ResultType:string",
			"ann|2026-02-01T11:50:00|1|0 bob|2026-02-01T11:48:00|2|50126 cid|2026-01-30T10:00:00|4|0"},
		{`SigninLogs | summarize round(avg(Score), 1), max(Attempts) - min(Attempts), countif(ResultType == 0), dcountif(Id, Attempts > 1)`,
			"avg_Score:real, Column1:long, countif_:long, dcountif_Id:long", "1.5|4|2|2"},
		{`SigninLogs | summarize make_list_if(Id, Attempts > 1), make_set_if(Id, Attempts > 9), sumif(Attempts, Id != "3"), percentile(Attempts, 50), round(stdev(Attempts), 2)`,
			"list_Id:dynamic, set_Id:dynamic, sumif_Attempts:long, percentile_Attempts:long, stdev_Attempts:real", `["3","4"]|[]|3|2|2.08`},
		{`SigninLogs | where Id == "1" | summarize take_any(Id, Attempts), arg_min(TimeGenerated, *) | project Id, Attempts, UserPrincipalName`,
			"Id:string, Attempts:long, UserPrincipalName:string", "1|1|ann"},
		{`SigninLogs | summarize make_set(ConditionalAccessPolicies) | project array_length(set_ConditionalAccessPolicies)`, "array_length_set_ConditionalAccessPolicies:long", "3"},
		{`SigninLogs | summarize min(TimeGenerated), max(UserPrincipalName), make_list(Id, 2), any(AppDisplayName) by IsInteractive | where IsInteractive | project min_TimeGenerated, max_UserPrincipalName, any_AppDisplayName`,
			"min_TimeGenerated:datetime, max_UserPrincipalName:string, any_AppDisplayName:string", "2026-01-30T10:00:00|cid|A"},
		{`AADNonInteractiveUserSignInLogs | project UserPrincipalName, A = AppDisplayName | join kind=rightouter SigninLogs on UserPrincipalName | sort by Id asc | project A, UserPrincipalName, Id`,
			"A:string, UserPrincipalName:string, Id:string", "Z|ann|1 ||2 Z|ann|3 ||4"},
		{`AADNonInteractiveUserSignInLogs | project UserPrincipalName | join kind=fullouter (SigninLogs | project UserPrincipalName) on UserPrincipalName | sort by UserPrincipalName1 asc | project UserPrincipalName, UserPrincipalName1`,
			"UserPrincipalName:string, UserPrincipalName1:string", "ann|ann ann|ann |bob |cid"},
		{`SigninLogs | project-rename Who = UserPrincipalName | project-reorder Id, W* | project-keep Id, Who | sort by Id asc | take 1`, "Id:string, Who:string", "1|ann"},
		{`SigninLogs | summarize by ResultType | sort by ResultType asc`, "ResultType:string", "0 50126"},
		{`SigninLogs | where Attempts != 1 | sort by Id asc | project Id`, "Id:string", "2 3 4"},
		{`SigninLogs | where not(Attempts == 1) | sort by Id asc | project Id`, "Id:string", "2 3 4"},
		{`SigninLogs | where Status.errorCode != 0 | sort by Id asc | project Id`, "Id:string", "2 3"},
		{`SigninLogs | where Status.errorCode == 50126 | project Id, Status.errorCode, tostring(Status.errorCode), tolower(Id), bin(Attempts, 2)`,
			"Id:string, Status_errorCode:dynamic, Status_errorCode1:string, Column1:string, Attempts:long", "3|50126|50126|3|4"},
		{`SigninLogs | where isempty(AppDisplayName) | project-away Time*, Conditional*, S*, Token*, Resource*, App*, User*, Is*`, "Id:string, ResultType:string, Attempts:long", "3|50126|5"},
		{`SigninLogs | where Id == "1" | extend Id = strcat(Id, "x"), y = Id | project Id, y`, "Id:string, y:string", "1x|1"},
		{`let x = 5; let T = SigninLogs | where Attempts == x; T | project Id`, "Id:string", "3"},
		{`let Id = 5; SigninLogs | where Id == "3" | project Id`, "Id:string", "3"},
		{`let users = SigninLogs | where Attempts > 1 | project UserPrincipalName; SigninLogs | where UserPrincipalName in (users) | sort by Id asc | project Id`, "Id:string", "1 3 4"},
		{`let names = dynamic(["bob", "cid"]); SigninLogs | where UserPrincipalName !in (names) | sort by Id asc | project Id`, "Id:string", "1 3"},
		{`let m = toscalar(SigninLogs | summarize max(Attempts)); SigninLogs | where Attempts == m | project Id, m`, "Id:string, m:long", "3|5"},
		{`union SigninLogs, AADNonInteractiveUserSignInLogs | where UserPrincipalName == "ann" | sort by Id asc | project Id, Status_dynamic, Status_string`,
			"Id:string, Status_dynamic:dynamic, Status_string:string", `1|{"errorCode":0}| 3|{"errorCode":50126}| 9|null|`},
		{`union withsource=T isfuzzy=true SigninLogs, Missing, (AADNonInteractiveUserSignInLogs | project Id) | summarize count() by T | sort by T asc`,
			"T:string, count_:long", "SigninLogs|4 union_arg1|1"},
		{`SigninLogs | union AADNonInteractiveUserSignInLogs | count`, "Count:long", "5"},
		{`SigninLogs | join kind=inner (AADNonInteractiveUserSignInLogs | project UserPrincipalName, AppDisplayName) on UserPrincipalName | sort by Id asc | project Id, AppDisplayName1, UserPrincipalName1`,
			"Id:string, AppDisplayName1:string, UserPrincipalName1:string", "1|Z|ann 3|Z|ann"},
		{`SigninLogs | join (AADNonInteractiveUserSignInLogs | project UserPrincipalName) on UserPrincipalName | count`, "Count:long", "1"},
		{`SigninLogs | join kind=leftouter (AADNonInteractiveUserSignInLogs | project U = UserPrincipalName, A = AppDisplayName, Attempts) on $left.UserPrincipalName == $right.U | sort by Id asc | project Id, A, Attempts1`,
			"Id:string, A:string, Attempts1:long", "1|Z|null 2||null 3|Z|null 4||null"},
		{`SigninLogs | join kind=leftanti AADNonInteractiveUserSignInLogs on UserPrincipalName | sort by Id asc | project Id`, "Id:string", "2 4"},
		{`SigninLogs | join kind=leftsemi AADNonInteractiveUserSignInLogs on UserPrincipalName | sort by Id asc | project Id`, "Id:string", "1 3"},
		{`SigninLogs | mv-expand ConditionalAccessPolicies | extend r = tostring(ConditionalAccessPolicies.result) | sort by Id asc, r asc | project Id, r`,
			"Id:string, r:string", "1|x 1|y 2| 4|x"},
		{`SigninLogs | where Id == "1" | mv-expand with_itemindex=i p = ConditionalAccessPolicies | project i, p | sort by i asc`, "i:long, p:dynamic", `0|{"result":"x"} 1|{"result":"y"}`},
		{`print d = dynamic({"a":1,"b":[2]}) | mv-expand d | project d`, "d:dynamic", `{"a":1} {"b":[2]}`},
		{`print d = dynamic([1,"x",null]) | mv-expand d to typeof(long)`, "d:long", `1 null null`},
		{`print a = dynamic([1,2]), b = dynamic([3]) | mv-expand a, b`, "a:dynamic, b:dynamic", `1|3 2|null`},
		{`SigninLogs | where ResourceDisplayName in ("","b") | mv-expand todynamic(ConditionalAccessPolicies) | extend Result = tostring(ConditionalAccessPolicies.result) | extend Code = tostring(parse_json(TokenProtectionStatusDetails)["signInSessionStatusCode"]) | where Result == "x" | summarize Requests = count() by Code | sort by Code asc`,
			"Code:string, Requests:long", "|1 1002|1"},
	} {
		for _, twins := range []bool{false, true} {
			p, got := run(t, db, kql.Options{Schema: signIns(twins), Now: now}, tt.query)
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("%s (twins %v)\n%s\n%s", tt.query, twins, diff, p.SQL)
			}
			if diff := cmp.Diff(tt.columns, columns(p)); diff != "" {
				t.Errorf("%s (twins %v)\n%s", tt.query, twins, diff)
			}
		}
	}
}
