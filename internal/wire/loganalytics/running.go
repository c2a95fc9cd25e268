package loganalytics

import "sync"

// running counts the queries that run: so many in all, and no more than three quarters of them for one workspace, so that
// one tenant's queries leave room for another's.
type running struct {
	mu          sync.Mutex
	all         int
	byWorkspace map[string]int
	most        int
}

func newRunning(most int) *running { return &running{byWorkspace: map[string]int{}, most: most} }

// start reports whether a query may run; it must end then.
func (r *running) start(workspace string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= r.most || r.byWorkspace[workspace] >= (3*r.most+3)/4 {
		return false
	}
	r.all++
	r.byWorkspace[workspace]++
	return true
}

func (r *running) end(workspace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.byWorkspace[workspace]--; r.byWorkspace[workspace] == 0 {
		delete(r.byWorkspace, workspace)
	}
}
