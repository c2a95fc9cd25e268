package lower

import (
	"maps"
	"slices"
	"strings"

	"boundgate/internal/kql/plan"
	"boundgate/internal/kql/schema"
)

// useTwins makes the plan read a column's twins in place of its JSON where the answer is the same.
//
// What can be answered from a twin is the text of one member, json_text_at. First, members that went through a column of
// their own (extend s = d.m, then s contains ...) are brought to that form where the column is made. Then the members of
// a table's column are read from the columns beside it, and an mv-expand of which nothing but such members is used
// unnests their lists alone.
func useTwins(root plan.Node) plan.Node {
	t := &twins{root: root}
	result := root.Columns() // the columns that splitting adds are not among them
	t.inline(root)
	t.members(root)
	prune(root, result)
	t.root = t.expand(root)
	prune(t.root, result)
	return t.root
}

func prune(root plan.Node, result []*plan.Column) {
	needed := map[*plan.Column]bool{}
	for _, c := range result {
		needed[c] = true
	}
	plan.Prune(root, needed)
}

type twins struct{ root plan.Node }

// An access is one way the text in a dynamic column is read: at a path, or as a whole for the empty path.
func access(x plan.Expr) (*plan.Column, string, bool) {
	o, ok := x.(*plan.Op)
	if !ok || o.Name != "json_text" && o.Name != "json_text_at" {
		return nil, "", false
	}
	r, ok := o.Args[0].(*plan.Ref)
	if !ok {
		return nil, "", false
	}
	if o.Name == "json_text" {
		return r.Col, "", true
	}
	return r.Col, pathOf(o), true
}

// uses collects the paths at which a column is accessed below n, and whether it is used otherwise.
func uses(n plan.Node, c *plan.Column) (paths []string, whole bool) {
	plan.MapExprs(n, func(x plan.Expr) plan.Expr {
		plan.Visit(x, func(x plan.Expr) bool {
			if col, path, ok := access(x); ok && col == c {
				if !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
				return false
			}
			if r, ok := x.(*plan.Ref); ok && r.Col == c {
				whole = true
			}
			return true
		})
		return x
	})
	for _, in := range plan.Inputs(n) {
		p, w := uses(in, c)
		whole = whole || w
		for _, path := range p {
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths, whole
}

// split replaces each access to c by a column of its own, and passes these columns on wherever c is passed on.
func split(n plan.Node, c *plan.Column, by map[string]plan.Expr) {
	plan.MapExprs(n, func(x plan.Expr) plan.Expr {
		return plan.Rewrite(x, func(x plan.Expr) (plan.Expr, bool) {
			col, path, ok := access(x)
			if y, found := by[path]; ok && col == c && found {
				return y, true
			}
			return nil, false
		})
	})
	if p, ok := n.(*plan.Project); ok && slices.ContainsFunc(p.Items, func(it plan.Item) bool { return it.Col == c && it.Passes() }) {
		for _, col := range refs(by) {
			p.Items = append(p.Items, plan.Item{Col: col, X: &plan.Ref{Col: col}})
		}
	}
	for _, in := range plan.Inputs(n) {
		split(in, c, by)
	}
}

// refs are the columns that stand behind the replacements, in a stable order.
func refs(by map[string]plan.Expr) []*plan.Column {
	var list []*plan.Column
	for _, path := range slices.Sorted(maps.Keys(by)) {
		plan.Visit(by[path], func(x plan.Expr) bool {
			if r, ok := x.(*plan.Ref); ok {
				list = append(list, r.Col)
			}
			return true
		})
	}
	return list
}

// inline works from the result down, so that a column made of a column is brought to its source step by step.
func (t *twins) inline(n plan.Node) {
	if p, ok := n.(*plan.Project); ok {
		for _, it := range slices.Clone(p.Items) {
			t.inlineItem(p, it)
		}
	}
	for _, in := range plan.Inputs(n) {
		t.inline(in)
	}
}

func (t *twins) inlineItem(p *plan.Project, it plan.Item) {
	def, ok := it.X.(*plan.Op)
	if !ok || def.Name != "json_member" && def.Name != "parse_json" {
		return
	}
	paths, _ := uses(t.root, it.Col)
	by := map[string]plan.Expr{}
	for _, path := range paths {
		x := plan.Expr(nil)
		switch {
		case def.Name == "parse_json" && path != "":
			x = op("json_text_at", def.Args[0], str(path))
		case def.Name == "json_member" && path == "":
			x = op("json_text_at", def.Args...)
		case def.Name == "json_member" && joinPaths(pathOf(def), path) != "":
			x = op("json_text_at", def.Args[0], str(joinPaths(pathOf(def), path)))
		default:
			continue
		}
		c := &plan.Column{Name: it.Col.Name, Type: schema.String}
		p.Items = append(p.Items, plan.Item{Col: c, X: x})
		by[path] = &plan.Ref{Col: c}
	}
	if len(by) > 0 {
		split(t.root, it.Col, by)
	}
}

// memberName is the member's name in the schema for a path such as $."a"."b", "" for a path of another form.
func memberName(path string) string {
	if !strings.HasPrefix(path, `$."`) || !strings.HasSuffix(path, `"`) {
		return ""
	}
	return strings.ReplaceAll(path[3:len(path)-1], `"."`, ".")
}

// members reads the members of the tables' columns from the columns beside them.
func (t *twins) members(n plan.Node) {
	if s, ok := n.(*plan.Scan); ok {
		for _, sc := range slices.Clone(s.Cols) {
			if sc.Col.Source == nil || len(sc.Col.Source.Members) == 0 {
				continue
			}
			paths, _ := uses(t.root, sc.Col)
			by := map[string]plan.Expr{}
			for _, path := range paths {
				m, ok := sc.Col.Source.Members[memberName(path)]
				if !ok || m.Type != schema.String && m.Type != schema.Long && m.Type != schema.Int && m.Type != schema.Bool {
					continue
				}
				c := &plan.Column{Name: m.Column, Type: m.Type}
				s.Cols = append(s.Cols, plan.ScanColumn{Col: c, Physical: m.Column})
				by[path] = &plan.Ref{Col: c}
				if m.Type != schema.String {
					by[path] = op("text_"+string(m.Type), &plan.Ref{Col: c})
				}
			}
			if len(by) > 0 {
				split(t.root, sc.Col, by)
			}
		}
	}
	for _, in := range plan.Inputs(n) {
		t.members(in)
	}
}

// expand rewrites each mv-expand that the twins can answer.
func (t *twins) expand(n plan.Node) plan.Node {
	if p, ok := n.(*plan.Project); ok {
		if u, ok := p.Input.(*plan.Unnest); ok {
			if e := t.expansion(p, u); e != nil {
				p.Input = e
				return p
			}
		}
	}
	switch n := n.(type) {
	case *plan.Filter:
		n.Input = t.expand(n.Input)
	case *plan.Project:
		n.Input = t.expand(n.Input)
	case *plan.Aggregate:
		n.Input = t.expand(n.Input)
	case *plan.Sort:
		n.Input = t.expand(n.Input)
	case *plan.Unnest:
		n.Input = t.expand(n.Input)
	case *plan.FirstPerKey:
		n.Input = t.expand(n.Input)
	case *plan.Union:
		for i := range n.Inputs {
			n.Inputs[i] = t.expand(n.Inputs[i])
		}
	case *plan.Join:
		n.Left, n.Right = t.expand(n.Left), t.expand(n.Right)
	}
	return n
}

// expansion is the rewriting of one mv-expand, or nil when it must read the JSON.
//
// The rows whose array was well formed when it was written go one way, where only the lists are read; the rest go the
// other, over the JSON. They part at the scan, so that the first way need not read the text of the array at all.
func (t *twins) expansion(p *plan.Project, u *plan.Unnest) plan.Node {
	if len(u.Items) != 1 || u.Index != nil || u.Limit > 0 {
		return nil
	}
	element := u.Items[0].Col
	source := elementsOf(u.Items[0].X)
	if source == nil || source.Source == nil || source.Source.Shredded == "" || chainScan(u.Input, source) == nil {
		return nil
	}
	paths, whole := uses(t.root, element)
	if whole || len(paths) == 0 || slices.Contains(t.root.Columns(), element) {
		return nil
	}
	by := map[string]plan.Expr{}
	lists := map[string]*plan.Column{} // by path
	var listed, fromText []plan.Item
	slices.Sort(paths)
	for _, path := range paths {
		physical, ok := source.Source.Lists[memberName(path)]
		if !ok {
			return nil
		}
		c := &plan.Column{Name: memberName(path), Type: schema.String}
		lists[path] = &plan.Column{Name: physical}
		by[path] = &plan.Ref{Col: c}
		listed = append(listed, plan.Item{Col: c, X: &plan.Ref{Col: lists[path]}})
		fromText = append(fromText, plan.Item{Col: c, X: op("json_text_at", &plan.Ref{Col: element}, str(path))})
	}
	split(t.root, element, by)
	var kept []plan.Item
	for _, it := range p.Items {
		if it.Col != element && it.Passes() && slices.Contains(u.Input.Columns(), it.Col) {
			kept = append(kept, it)
		}
	}
	for _, it := range p.Items { // what is computed beside needs its columns too
		plan.Visit(it.X, func(x plan.Expr) bool {
			r, ok := x.(*plan.Ref)
			if ok && slices.Contains(u.Input.Columns(), r.Col) && !slices.ContainsFunc(kept, func(k plan.Item) bool { return k.Col == r.Col }) {
				kept = append(kept, plan.Item{Col: r.Col, X: r})
			}
			return true
		})
	}
	p.Items = slices.DeleteFunc(p.Items, func(it plan.Item) bool { return it.Col == element })

	fast := &plan.Unnest{Input: branch(u.Input, source, lists, true), Items: listed}
	slow := &plan.Unnest{Input: branch(u.Input, source, lists, false), Items: u.Items}
	out := &plan.Union{Inputs: []plan.Node{
		&plan.Project{Input: fast, Items: slices.Concat(kept, passItems(listed))},
		&plan.Project{Input: slow, Items: slices.Concat(kept, fromText)},
	}}
	for _, it := range slices.Concat(kept, listed) {
		out.Cols = append(out.Cols, it.Col)
	}
	return out
}

func passItems(items []plan.Item) []plan.Item {
	out := make([]plan.Item, len(items))
	for i, it := range items {
		out[i] = plan.Item{Col: it.Col, X: &plan.Ref{Col: it.Col}}
	}
	return out
}

// elementsOf is the column whose elements a list holds.
func elementsOf(x plan.Expr) *plan.Column {
	if o, ok := x.(*plan.Op); ok && o.Name == "json_elements" {
		if r, ok := o.Args[0].(*plan.Ref); ok {
			return r.Col
		}
	}
	return nil
}

// chainScan is the scan that n leads to through filters and projections that pass the column on, nil when there is none.
func chainScan(n plan.Node, c *plan.Column) *plan.Scan {
	switch n := n.(type) {
	case *plan.Filter:
		return chainScan(n.Input, c)
	case *plan.Project:
		return chainScan(n.Input, c)
	case *plan.Scan:
		if slices.Contains(n.Columns(), c) {
			return n
		}
	}
	return nil
}

// branch copies the way from the scan up, for the rows with twins or for those without. With twins, the lists are passed
// on, and whether the array is empty is told from a list.
func branch(n plan.Node, source *plan.Column, lists map[string]*plan.Column, shredded bool) plan.Node {
	paths := slices.Sorted(maps.Keys(lists))
	switch n := n.(type) {
	case *plan.Filter:
		cond := n.Cond
		if shredded {
			cond = plan.Rewrite(cond, func(x plan.Expr) (plan.Expr, bool) {
				if isNotEmptyArray(x, source) {
					return op("list_nonempty", &plan.Ref{Col: lists[paths[0]]}), true
				}
				return nil, false
			})
		}
		return &plan.Filter{Input: branch(n.Input, source, lists, shredded), Cond: cond}
	case *plan.Project:
		p := &plan.Project{Input: branch(n.Input, source, lists, shredded), Items: slices.Clone(n.Items)}
		for _, path := range paths {
			if shredded {
				p.Items = append(p.Items, plan.Item{Col: lists[path], X: &plan.Ref{Col: lists[path]}})
			}
		}
		return p
	case *plan.Scan:
		flag := &plan.Column{Name: source.Source.Shredded, Type: schema.Bool}
		s := &plan.Scan{Table: n.Table, Cols: append(slices.Clone(n.Cols), plan.ScanColumn{Col: flag, Physical: flag.Name})}
		if !shredded {
			return &plan.Filter{Input: s, Cond: op("not", op("is_true", &plan.Ref{Col: flag}))}
		}
		for _, path := range paths {
			s.Cols = append(s.Cols, plan.ScanColumn{Col: lists[path], Physical: lists[path].Name})
		}
		return &plan.Filter{Input: s, Cond: &plan.Ref{Col: flag}}
	}
	return n // chainScan let nothing else through
}

// isNotEmptyArray recognises column != "[]".
func isNotEmptyArray(x plan.Expr, source *plan.Column) bool {
	o, ok := x.(*plan.Op)
	if !ok || o.Name != "<>" && o.Name != "distinct" {
		return false
	}
	left := o.Args[0]
	if t, ok := left.(*plan.Op); ok && t.Name == "json_text" {
		left = t.Args[0]
	}
	r, isRef := left.(*plan.Ref)
	c, isConst := o.Args[1].(*plan.Const)
	return isRef && isConst && r.Col == source && c.Value == "[]"
}
