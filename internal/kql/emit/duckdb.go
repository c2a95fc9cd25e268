package emit

import (
	"strings"

	"boundgate/internal/kql/schema"
)

// epoch is the microseconds from the year 1, where bins of datetimes begin, to 1970.
const epoch = "62135596800000000"

// DuckDB is the dialect of DuckDB. A datetime is TIMESTAMP in UTC, a timespan BIGINT microseconds, a dynamic JSON text.
//
// DuckDB's JSON functions raise on text that is not JSON, and a filter before them does not protect them, as filters are
// reordered: TRY or json_valid stands around each.
var DuckDB = &Dialect{
	Types: map[schema.Type]string{
		schema.String: "VARCHAR", schema.GUID: "VARCHAR", schema.Dynamic: "VARCHAR", schema.Long: "BIGINT", schema.Int: "INTEGER",
		schema.Real: "DOUBLE", schema.Bool: "BOOLEAN", schema.DateTime: "TIMESTAMP", schema.TimeSpan: "BIGINT",
	},
	FirstRow: "QUALIFY row_number() OVER (PARTITION BY {keys}) = 1",
	Operations: map[string]string{
		"not": "(NOT {1})", "list_nonempty": "(len({1}) > 0)", "is_true": "coalesce({1}, FALSE)", "isnull": "({1} IS NULL)", "isnotnull": "({1} IS NOT NULL)",
		"=": "({1} = {2})", "<>": "({1} <> {2})", "<": "({1} < {2})", "<=": "({1} <= {2})", ">": "({1} > {2})", ">=": "({1} >= {2})",
		"distinct": "({1} IS DISTINCT FROM {2})", "not_distinct": "({1} IS NOT DISTINCT FROM {2})",
		"null_if_both_null": "CASE WHEN {1} IS NULL AND {2} IS NULL THEN NULL ELSE {3} END",
		"in":                "({1} IN ({2*}))",
		"coalesce":          "coalesce({*})", "nullif": "nullif({1}, {2})", "max_of": "greatest({*})", "min_of": "least({*})",

		"lower": "lower({1})", "tolower": "lower({1})", "toupper": "upper({1})", "concat": "concat({*})", "strlen": "length({1})",
		"contains": "contains({1}, {2})", "startswith": "starts_with({1}, {2})", "endswith": "ends_with({1}, {2})",
		"matches regex": "regexp_matches({1}, {2})",
		"has": `regexp_matches({1}, concat(CASE WHEN regexp_matches({2}, '^[\p{L}\p{N}]') THEN '(^|[^\p{L}\p{N}])' ELSE '' END, ` +
			`regexp_escape({2}), CASE WHEN regexp_matches({2}, '[\p{L}\p{N}]$') THEN '($|[^\p{L}\p{N}])' ELSE '' END))`,
		"substring": "substring({1}, CASE WHEN {2} < 0 THEN greatest(length({1}) + {2}, 0) ELSE {2} END + 1, greatest({3}, 0))",
		"split": `CASE WHEN {2} = '' THEN '[' || CAST(to_json({1}) AS VARCHAR) || ']' ` +
			`ELSE CAST(to_json(string_split({1}, {2})) AS VARCHAR) END`,
		"replace_string": "replace({1}, {2}, {3})", "replace_regex": "regexp_replace({1}, {2}, {3}, 'g')",
		"indexof": "(strpos({1}, {2}) - 1)",
		"trim":    `regexp_replace(regexp_replace({2}, concat('^(', {1}, ')'), ''), concat('(', {1}, ')$'), '')`,

		"json_text": "TRY(json_extract_string({1}, '$'))", "json_quote": "CAST(to_json({1}) AS VARCHAR)",
		"json_text_at": "TRY(json_extract_string({1}, {2}))",
		"json_nonnull": "nullif({1}, 'null')",
		"parse_json": "CASE WHEN json_valid({1}) THEN CAST(TRY(json({1})) AS VARCHAR) WHEN {1} = '' THEN NULL " +
			"ELSE CAST(to_json({1}) AS VARCHAR) END",
		"json_path":         "CAST(TRY(json_extract({1}, {2})) AS VARCHAR)",
		"json_element":      "CAST(TRY(json_extract({1}, concat('$[', CASE WHEN {2} < 0 THEN '#' ELSE '' END, {2}, ']'))) AS VARCHAR)",
		"json_member":       "CAST(TRY(json_extract({1}, {2})) AS VARCHAR)",
		"json_member_named": "CAST(TRY(json_extract({1}, concat('/', replace(replace({2}, '~', '~0'), '/', '~1')))) AS VARCHAR)",
		"json_elements":     jsonElements("json_object(k, json_extract({1}, concat('/', replace(replace(k, '~', '~0'), '/', '~1'))))"),
		"json_pairs":        jsonElements("json_array(k, json_extract({1}, concat('/', replace(replace(k, '~', '~0'), '/', '~1'))))"),
		"array_length":      "CASE WHEN TRY(json_type({1})) = 'ARRAY' THEN CAST(json_array_length({1}) AS BIGINT) END",
		"bag_keys":          "CASE WHEN TRY(json_type({1})) = 'OBJECT' THEN CAST(to_json(json_keys({1})) AS VARCHAR) END",
		"set_has_element":   "coalesce(list_contains(CASE WHEN TRY(json_type({1})) = 'ARRAY' THEN CAST(json_extract({1}, '$[*]') AS VARCHAR[]) END, {2}), FALSE)",
		"strcat_array":      "coalesce(array_to_string(CASE WHEN TRY(json_type({1})) = 'ARRAY' THEN json_extract_string({1}, '$[*]') END, {2}), '')",
		"extract":           "coalesce(regexp_extract({3}, {1}, CAST({2} AS INTEGER)), '')",

		"text_long": "CAST({1} AS VARCHAR)", "text_int": "CAST({1} AS VARCHAR)", "text_bool": "CAST({1} AS VARCHAR)",
		"text_real":     `regexp_replace(CAST({1} AS VARCHAR), '\.0$', '')`,
		"text_datetime": "concat(strftime({1}, '%Y-%m-%dT%H:%M:%S.%f'), '0Z')",
		"text_timespan": `CASE WHEN {1} IS NULL THEN NULL ELSE concat(CASE WHEN {1} < 0 THEN '-' ELSE '' END, ` +
			`CASE WHEN abs({1}) >= 86400000000 THEN concat(abs({1}) // 86400000000, '.') ELSE '' END, ` +
			`printf('%02d:%02d:%02d', abs({1}) // 3600000000 % 24, abs({1}) // 60000000 % 60, abs({1}) // 1000000 % 60), ` +
			`CASE WHEN abs({1}) % 1000000 <> 0 THEN printf('.%06d0', abs({1}) % 1000000) ELSE '' END) END`,

		"tolong_string": wholeNumber("BIGINT"), "toint_string": wholeNumber("INTEGER"),
		"tolong_int": "CAST({1} AS BIGINT)", "toint_long": "TRY_CAST({1} AS INTEGER)",
		"tolong_real": "TRY_CAST(trunc({1}) AS BIGINT)", "toint_real": "TRY_CAST(trunc({1}) AS INTEGER)",
		"tolong_bool": "CAST({1} AS BIGINT)", "toint_bool": "CAST({1} AS INTEGER)",
		"tolong_timespan": "({1} * 10)", "tolong_datetime": "((epoch_us({1}) + " + epoch + ") * 10)",
		"toreal_string": "TRY_CAST({1} AS DOUBLE)", "toreal_long": "CAST({1} AS DOUBLE)", "toreal_int": "CAST({1} AS DOUBLE)",
		"toreal_bool": "CAST({1} AS DOUBLE)", "toreal_timespan": "(CAST({1} AS DOUBLE) * 10)", "as_real": "CAST({1} AS DOUBLE)",
		"tobool_string": "CASE lower({1}) WHEN 'true' THEN TRUE WHEN '1' THEN TRUE WHEN 'false' THEN FALSE WHEN '0' THEN FALSE END",
		"tobool_long":   "({1} <> 0)", "tobool_int": "({1} <> 0)", "tobool_real": "({1} <> 0)",
		"todatetime_string": "CAST(timezone('UTC', TRY_CAST({1} AS TIMESTAMPTZ)) AS TIMESTAMP)",
		"totimespan_string": "CAST(epoch_us(TRY_CAST(regexp_replace({1}, '^(-?)(\\d+)\\.(\\d+:)', '\\1\\2 days \\3') AS INTERVAL)) AS BIGINT)",

		"+": "({1} + {2})", "-": "({1} - {2})", "*": "({1} * {2})", "neg": "(- {1})",
		"/": "({1} // nullif({2}, 0))", "/_real": "({1} / {2})",
		"%": "((({1} % nullif({2}, 0)) + {2}) % nullif({2}, 0))", "%_real": "((({1} % {2}) + {2}) % {2})",
		"round": "round({1}, CAST({2} AS INTEGER))", "abs": "abs({1})", "abs_long": "abs({1})",
		"ceiling": "ceil({1})", "ceiling_long": "{1}",
		"span*": "CAST({1} * {2} AS BIGINT)", "span/": "TRY_CAST({1} / {2} AS BIGINT)",
		"datetime_sub":    "(epoch_us({1}) - epoch_us({2}))",
		"datetime_shift+": "make_timestamp(epoch_us({1}) + {2})", "datetime_shift-": "make_timestamp(epoch_us({1}) - {2})",
		"bin_long":     "CASE WHEN {2} > 0 THEN {1} - (({1} % {2}) + {2}) % {2} END",
		"bin_real":     "CASE WHEN {2} > 0 THEN floor({1} / {2}) * {2} END",
		"bin_datetime": "CASE WHEN {2} > 0 THEN make_timestamp((epoch_us({1}) + " + epoch + ") // {2} * {2} - " + epoch + ") END",

		"series_long":     series("{1}", "{2}", "{3}"),
		"series_real":     "CASE WHEN {3} <> 0 THEN list_transform(range(0, CAST(least(floor(({2} - {1}) / {3}) + 1, 1048576) AS BIGINT)), lambda i: {1} + i * {3}) END",
		"series_timespan": series("{1}", "{2}", "{3}"),
		"series_datetime": "list_transform(" + series("epoch_us({1})", "epoch_us({2})", "{3}") + ", lambda i: make_timestamp(i))",
		"rand":            "random()",

		"startofday":   "date_trunc('day', {1} + to_days(CAST({2} AS INTEGER)))",
		"endofday":     "(date_trunc('day', {1} + to_days(CAST({2} AS INTEGER) + 1)) - to_microseconds(1))",
		"startofweek":  "(date_trunc('week', {1} + to_days(CAST({2} * 7 + 1 AS INTEGER))) - to_days(1))", // weeks start on Sunday
		"startofmonth": "CAST(date_trunc('month', {1} + to_months(CAST({2} AS INTEGER))) AS TIMESTAMP)",
		"startofyear":  "CAST(date_trunc('year', {1} + to_years(CAST({2} AS INTEGER))) AS TIMESTAMP)",
		"hourofday":    "CAST(hour({1}) AS INTEGER)", "dayofweek": "(CAST(dayofweek({1}) AS BIGINT) * 86400000000)",
		"dayofmonth": "CAST(day({1}) AS INTEGER)", "getyear": "CAST(year({1}) AS INTEGER)", "getmonth": "CAST(month({1}) AS INTEGER)",
		"datetime_diff":                    "date_diff({1}, {3}, {2})",
		"datetime_add":                     "({3} + CASE {1} WHEN 'year' THEN to_years(CAST({2} AS INTEGER)) WHEN 'month' THEN to_months(CAST({2} AS INTEGER)) WHEN 'week' THEN to_days(CAST({2} * 7 AS INTEGER)) WHEN 'day' THEN to_days(CAST({2} AS INTEGER)) WHEN 'hour' THEN to_hours({2}) WHEN 'minute' THEN to_minutes({2}) WHEN 'second' THEN to_seconds({2}) WHEN 'millisecond' THEN to_microseconds({2} * 1000) END)",
		"format_datetime":                  "coalesce(strftime({1}, {2}), '')",
		"unixtime_seconds_todatetime":      "make_timestamp(CAST({1} * 1000000 AS BIGINT))",
		"unixtime_milliseconds_todatetime": "make_timestamp(CAST({1} * 1000 AS BIGINT))",
	},
	Rendered: map[string]func([]string) string{"case": caseWhen},
	Aggregates: map[string]string{
		"count": "count(*)", "count/1": "count(*) FILTER (WHERE {1})", "countif": "count(*) FILTER (WHERE {1})",
		// Exact counts are within the promise of dcount, and approx_count_distinct is not: it is wrong by tens of percent.
		"dcount": "count(DISTINCT {1})", "dcountif": "count(DISTINCT {1}) FILTER (WHERE {2})",
		"sum_long": "CAST(coalesce(sum({1}), 0) AS BIGINT)", "sum_real": "coalesce(sum({1}), 0)",
		"sumif_long": "CAST(coalesce(sum({1}) FILTER (WHERE {2}), 0) AS BIGINT)", "sumif_real": "coalesce(sum({1}) FILTER (WHERE {2}), 0)",
		"avg_long": "CAST(avg({1}) AS BIGINT)", "avg_real": "avg({1})", "stdev": "stddev_samp({1})",
		"min_long": "min({1})", "min_real": "min({1})", "min_any": "min({1})", "min_text": "coalesce(min({1}), '')",
		"max_long": "max({1})", "max_real": "max({1})", "max_any": "max({1})", "max_text": "coalesce(max({1}), '')",
		"percentile":    "quantile_disc({1}, {2} / 100.0)",
		"take_any_text": "coalesce(any_value(nullif({1}, '')), '')", "take_any_long": "any_value({1})", "take_any_real": "any_value({1})",
		"take_any_any": "any_value({1})", "take_row": "any_value(struct_pack({row})).{pick}",
		"arg_max": "coalesce(arg_max(struct_pack({row}), {1}), any_value(struct_pack({row}))).{pick}",
		"arg_min": "coalesce(arg_min(struct_pack({row}), {1}), any_value(struct_pack({row}))).{pick}",

		"make_list":             jsonArray("list({1}{order}) FILTER (WHERE {1} IS NOT NULL)", "1048576"),
		"make_list/2":           jsonArray("list({1}{order}) FILTER (WHERE {1} IS NOT NULL)", "{2}"),
		"make_list_if":          jsonArray("list({1}{order}) FILTER (WHERE {1} IS NOT NULL AND {2})", "1048576"),
		"make_list_if/3":        jsonArray("list({1}{order}) FILTER (WHERE {1} IS NOT NULL AND {2})", "{3}"),
		"make_set":              jsonArray("list_sort(list(DISTINCT {1}) FILTER (WHERE {1} IS NOT NULL))", "1048576"),
		"make_set/2":            jsonArray("list_sort(list(DISTINCT {1}) FILTER (WHERE {1} IS NOT NULL))", "{2}"),
		"make_set_if":           jsonArray("list_sort(list(DISTINCT {1}) FILTER (WHERE {1} IS NOT NULL AND {2}))", "1048576"),
		"make_set_if/3":         jsonArray("list_sort(list(DISTINCT {1}) FILTER (WHERE {1} IS NOT NULL AND {2}))", "{3}"),
		"make_set_dynamic":      jsonArray(flatSet("{1} IS NOT NULL"), "1048576"),
		"make_set_dynamic/2":    jsonArray(flatSet("{1} IS NOT NULL"), "{2}"),
		"make_set_if_dynamic":   jsonArray(flatSet("{1} IS NOT NULL AND {2}"), "1048576"),
		"make_set_if_dynamic/3": jsonArray(flatSet("{1} IS NOT NULL AND {2}"), "{3}"),
	},
}

// series is the list of numbers from one to another, bounded.
func series(from, to, step string) string {
	last := from + " + " + step + " * 1048575"
	return "CASE WHEN " + step + " > 0 THEN generate_series(" + from + ", least(" + to + ", " + last + "), " + step + ") " +
		"WHEN " + step + " < 0 THEN generate_series(" + from + ", greatest(" + to + ", " + last + "), " + step + ") END"
}

// jsonArray joins a list of JSON texts, cut at a limit, into an array.
func jsonArray(list, limit string) string {
	return "concat('[', coalesce(array_to_string(list_slice(" + list + ", 1, " + limit + "), ','), ''), ']')"
}

// flatSet is the distinct elements of the arrays, and of the values that are no arrays.
func flatSet(where string) string {
	return "list_sort(list_distinct(flatten(list(CASE WHEN TRY(json_type({1})) = 'ARRAY' THEN CAST(json_extract({1}, '$[*]') AS VARCHAR[]) " +
		"ELSE [{1}] END) FILTER (WHERE " + where + "))))"
}

// jsonElements is the list that mv-expand takes apart.
func jsonElements(member string) string {
	return "CASE WHEN {1} IS NULL OR {1} = '' THEN [CAST(NULL AS VARCHAR)] WHEN NOT json_valid({1}) THEN [CAST(to_json({1}) AS VARCHAR)] " +
		"WHEN json_type({1}) = 'ARRAY' THEN CAST(json_extract({1}, '$[*]') AS VARCHAR[]) " +
		"WHEN json_type({1}) = 'OBJECT' THEN list_transform(json_keys({1}), lambda k: CAST(" + member + " AS VARCHAR)) ELSE [CAST(json({1}) AS VARCHAR)] END"
}

// wholeNumber converts text to an integer type: exactly where it is one, and cut off where it is a real.
func wholeNumber(t string) string {
	return `CASE WHEN regexp_full_match({1}, '\s*[+-]?[0-9]+\s*') THEN TRY_CAST({1} AS ` + t +
		`) ELSE TRY_CAST(trunc(TRY_CAST({1} AS DOUBLE)) AS ` + t + `) END`
}

func caseWhen(args []string) string {
	var b strings.Builder
	b.WriteString("CASE")
	for i := 0; i+1 < len(args); i += 2 {
		b.WriteString(" WHEN " + args[i] + " THEN " + args[i+1])
	}
	b.WriteString(" ELSE " + args[len(args)-1] + " END")
	return b.String()
}
