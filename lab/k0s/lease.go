package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

const leasesPath = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

// leaseTime is a MicroTime of the Kubernetes API.
type leaseTime struct{ time.Time }

const leaseTimeFormat = "2006-01-02T15:04:05.000000Z07:00"

func (t leaseTime) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(leaseTimeFormat) + `"`), nil
}

type lease struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Metadata   object    `json:"metadata"`
	Spec       leaseSpec `json:"spec"`
}

type leaseSpec struct {
	HolderIdentity       string     `json:"holderIdentity"`
	LeaseDurationSeconds int        `json:"leaseDurationSeconds"`
	AcquireTime          *leaseTime `json:"acquireTime,omitempty"`
	RenewTime            *leaseTime `json:"renewTime,omitempty"`
	LeaseTransitions     int        `json:"leaseTransitions"`
}

// valid compares with the clock of this machine, as k0s does (pkg/kubernetes/lease.go).
func (l *lease) valid() bool {
	if l.Spec.RenewTime == nil {
		return false
	}
	lasts := time.Duration(l.Spec.LeaseDurationSeconds) * time.Second
	return l.Spec.RenewTime.Add(lasts).After(time.Now())
}

// elector holds a lease where it can get it: as leader, or only to be seen as alive
// (pkg/leaderelection/client.go, controllersleasecounter.go).
type elector struct {
	client   *kubeClient
	name     string
	identity string
	duration time.Duration

	mutex    sync.Mutex
	leading  bool
	changed  chan struct{}
	yielding time.Time

	// The record of another holder, and when this process first saw it: clocks may differ.
	seen   leaseSpec
	seenAt time.Time
}

func newElector(client *kubeClient, name, identity string) *elector {
	return &elector{client: client, name: name, identity: identity,
		duration: secondsFromEnvironment("LAB_K0S_LEASE_SECONDS", 60),
		changed:  make(chan struct{})}
}

// retryPause and renewDeadline have k0s's ratios to the duration: 5, 15 and 60 seconds.
func (e *elector) retryPause() time.Duration    { return e.duration / 12 }
func (e *elector) renewDeadline() time.Duration { return e.duration / 2 }

const yieldTime = 30 * time.Second

// status returns whether this process leads, and a channel that is closed when that changes.
func (e *elector) status() (bool, <-chan struct{}) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.leading, e.changed
}

func (e *elector) set(leading bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.leading != leading {
		e.leading = leading
		close(e.changed)
		e.changed = make(chan struct{})
		logInfo("lease", "%s: leading=%t", e.name, leading)
	}
}

// yield gives the lease away, and does not take it again for a while.
func (e *elector) yield() {
	e.mutex.Lock()
	e.yielding = time.Now().Add(yieldTime)
	e.mutex.Unlock()
}

func (e *elector) isYielding() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return time.Now().Before(e.yielding)
}

// run holds the lease until the context ends, and then releases it.
func (e *elector) run(ctx context.Context) {
	renewed := time.Now()
	for {
		if e.isYielding() {
			e.release()
		} else if held, err := e.acquireOrRenew(ctx); err != nil {
			if ctx.Err() == nil {
				logError("lease", "%s: %v", e.name, err)
			}
			if time.Since(renewed) > e.renewDeadline() {
				e.set(false)
			}
		} else {
			renewed = time.Now()
			e.set(held)
		}
		if !pause(ctx, e.retryPause()) {
			e.release()
			return
		}
	}
}

func (e *elector) acquireOrRenew(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, e.renewDeadline())
	defer cancel()
	now := leaseTime{time.Now()}
	fresh := leaseSpec{
		HolderIdentity: e.identity, LeaseDurationSeconds: int(e.duration.Seconds()),
		AcquireTime: &now, RenewTime: &now,
	}
	var current lease
	err := e.client.get(ctx, leasesPath+"/"+e.name, &current)
	if isNotFound(err) {
		current = lease{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Spec: fresh,
			Metadata: object{"name": e.name, "namespace": "kube-node-lease"}}
		err := e.client.create(ctx, leasesPath, current, nil)
		return err == nil, ignoringConflict(err)
	}
	if err != nil {
		return false, err
	}
	if current.Spec.HolderIdentity == e.identity {
		fresh.AcquireTime = current.Spec.AcquireTime
		fresh.LeaseTransitions = current.Spec.LeaseTransitions
	} else {
		if !e.expired(current.Spec) {
			return false, nil
		}
		fresh.LeaseTransitions = current.Spec.LeaseTransitions + 1
	}
	current.Spec = fresh
	err = e.client.update(ctx, leasesPath+"/"+e.name, current, nil)
	return err == nil, ignoringConflict(err)
}

func ignoringConflict(err error) error {
	if isStatus(err, http.StatusConflict) {
		return nil
	}
	return err
}

// expired judges by how long this process has seen the same record.
func (e *elector) expired(record leaseSpec) bool {
	if record.HolderIdentity == "" {
		return true
	}
	if e.seenAt.IsZero() || record.HolderIdentity != e.seen.HolderIdentity ||
		record.RenewTime == nil || !record.RenewTime.Equal(e.seen.RenewTime.Time) {
		e.seen, e.seenAt = record, time.Now()
		if record.RenewTime == nil {
			e.seen.RenewTime = &leaseTime{}
		}
	}
	return time.Since(e.seenAt) > time.Duration(record.LeaseDurationSeconds)*time.Second
}

func (e *elector) release() {
	if leading, _ := e.status(); !leading {
		return
	}
	e.set(false)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var current lease
	if err := e.client.get(ctx, leasesPath+"/"+e.name, &current); err != nil {
		return
	}
	if current.Spec.HolderIdentity == e.identity {
		now := leaseTime{time.Now()}
		current.Spec = leaseSpec{LeaseDurationSeconds: 1, AcquireTime: &now, RenewTime: &now,
			LeaseTransitions: current.Spec.LeaseTransitions}
		_ = e.client.update(ctx, leasesPath+"/"+e.name, current, nil)
	}
}

// activeControllers counts the leases of controllers that are held and valid.
func activeControllers(ctx context.Context, client *kubeClient) (int, error) {
	var list struct {
		Items []struct {
			lease
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if err := client.get(ctx, leasesPath, &list); err != nil {
		return 0, err
	}
	count := 0
	for _, item := range list.Items {
		if strings.HasPrefix(item.Metadata.Name, "k0s-ctrl-") &&
			item.Spec.HolderIdentity != "" && item.lease.valid() {
			count++
		}
	}
	return count, nil
}
