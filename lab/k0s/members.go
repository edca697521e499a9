package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	membersPath       = "/apis/etcd.k0sproject.io/v1beta1/etcdmembers"
	leaseLabel        = "k0s.k0sproject.io/controller-lease"
	shutdownOnLeave   = "k0s.k0sproject.io/shutdown-on-leave"
	shutdownLabel     = "k0s.k0sproject.io/shutdown"
	reconcileSuccess  = "Success"
	reconcileFailed   = "Failed"
	removalAttempts   = 5
	statusCallTimeout = 10 * time.Second
)

// memberObject is an EtcdMember (pkg/apis/etcd/v1beta1/types.go).
type memberObject struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   memberMeta   `json:"metadata"`
	Spec       memberSpec   `json:"spec"`
	Status     memberStatus `json:"status"`
}

type memberMeta struct {
	Name            string            `json:"name"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
}

type memberSpec struct {
	Leave bool `json:"leave,omitempty"`
}

type memberStatus struct {
	PeerAddress     string            `json:"peerAddress"`
	MemberID        string            `json:"memberID"`
	ReconcileStatus string            `json:"reconcileStatus,omitempty"`
	Message         string            `json:"message,omitempty"`
	Conditions      []memberCondition `json:"conditions,omitempty"`
}

type memberCondition struct {
	Type               string    `json:"type"`
	Status             string    `json:"status"`
	LastTransitionTime time.Time `json:"lastTransitionTime"`
	Message            string    `json:"message,omitempty"`
}

func (s *memberStatus) joined() string {
	if len(s.Conditions) == 0 {
		return ""
	}
	return s.Conditions[0].Status
}

func (s *memberStatus) setJoined(status, message string) {
	condition := memberCondition{"Joined", status, time.Now().UTC(), message}
	if s.joined() == status {
		condition.LastTransitionTime = s.Conditions[0].LastTransitionTime
	}
	s.Conditions = []memberCondition{condition}
}

// memberReconciler is k0s's (pkg/component/controller/etcd_member_reconciler.go): each controller
// keeps its own object, and the leader does the rest.
type memberReconciler struct {
	vars        *k0sVars
	config      *clusterConfig
	client      *kubeClient
	leader      *elector
	controllers func() int
	// Stops this controller's components. `leave`: it leaves etcd first.
	shutdown   func(leave bool)
	resync     time.Duration
	deadMember time.Duration
}

// announce creates this controller's object, or takes it over. A pending leave is thereby revoked:
// also that of a controller which restarts while it leaves.
func (m *memberReconciler) announce(ctx context.Context) error {
	etcd, err := newEtcdClient(m.vars)
	if err != nil {
		return err
	}
	number, err := etcd.ownID(ctx)
	if err != nil {
		return err
	}
	id, err := hexadecimal(number)
	if err != nil {
		return err
	}
	name := m.config.memberName()
	var current memberObject
	labels := object{leaseLabel: "k0s-ctrl-" + hostName(), shutdownOnLeave: m.vars.InvocationID}
	err = m.client.get(ctx, membersPath+"/"+name, &current)
	switch {
	case isNotFound(err):
		err = m.client.create(ctx, membersPath, object{
			"apiVersion": "etcd.k0sproject.io/v1beta1", "kind": "EtcdMember",
			"metadata": object{"name": name, "labels": labels}, "spec": object{},
		}, &current)
	case err == nil:
		labels[shutdownLabel] = nil
		err = m.patchMember(ctx, &current, object{
			"metadata": object{"labels": labels}, "spec": object{"leave": nil},
		})
	}
	if err != nil {
		return err
	}
	current.Status.PeerAddress = m.config.Spec.Storage.Etcd.PeerAddress
	current.Status.MemberID = id
	current.Status.setJoined("True", "Member joined")
	return m.updateStatus(ctx, &current)
}

// patchMember changes an object, if it is still the one that was read.
func (m *memberReconciler) patchMember(
	ctx context.Context, member *memberObject, change object,
) error {
	meta, _ := change["metadata"].(object)
	meta["resourceVersion"] = member.Metadata.ResourceVersion
	return m.client.patch(ctx, membersPath+"/"+member.Metadata.Name, mergePatch, change, member)
}

// run reconciles all members while this controller leads, and waits for the order to stop while it
// does not.
func (m *memberReconciler) run(ctx context.Context) {
	for ctx.Err() == nil {
		leading, changed := m.leader.status()
		round, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-changed:
			case <-round.Done():
			}
			cancel()
		}()
		if leading {
			m.lead(round)
		} else {
			m.follow(round)
		}
		if round.Err() == nil {
			pause(round, time.Second)
		}
		cancel()
	}
}

func (m *memberReconciler) lead(ctx context.Context) {
	trigger := make(chan struct{}, 1)
	go func() {
		for ctx.Err() == nil {
			_ = m.client.watch(ctx, membersPath, nil, func(json.RawMessage) bool {
				select {
				case trigger <- struct{}{}:
				default:
				}
				return false
			})
			pause(ctx, time.Second)
		}
	}()
	for {
		if err := m.reconcileAll(ctx); err != nil && ctx.Err() == nil {
			logError("etcd-members", "%v", err)
		}
		select {
		case <-trigger:
			// Changes often come together, and each of ours triggers once more.
			if !pause(ctx, 200*time.Millisecond) {
				return
			}
		case <-time.After(m.resync):
		case <-ctx.Done():
			return
		}
	}
}

// follow waits until the leader asks this very start of k0s to stop.
func (m *memberReconciler) follow(ctx context.Context) {
	query := url.Values{
		"fieldSelector": {"metadata.name=" + m.config.memberName()},
		"labelSelector": {shutdownLabel + "=" + m.vars.InvocationID},
	}
	_ = m.client.watch(ctx, membersPath, query, func(item json.RawMessage) bool {
		var member memberObject
		if json.Unmarshal(item, &member) != nil {
			return false
		}
		logInfo("etcd-members", "Etcd member marked for shutdown; stopping components and "+
			"waiting for external termination")
		m.shutdown(member.Spec.Leave)
		return true
	})
}

func (m *memberReconciler) reconcileAll(ctx context.Context) error {
	var list struct {
		Items []memberObject `json:"items"`
	}
	if err := m.client.get(ctx, membersPath, &list); err != nil {
		return fmt.Errorf("failed to list etcd members: %w", err)
	}
	etcd, err := newEtcdClient(m.vars)
	if err != nil {
		return err
	}
	members, err := etcd.members(ctx)
	if err != nil {
		for _, member := range list.Items {
			message := "Failed to list etcd cluster members: " + err.Error()
			_ = m.report(ctx, &member, reconcileFailed, message)
		}
		return err
	}
	for _, member := range list.Items {
		if err := m.reconcile(ctx, etcd, members, &member); err != nil {
			logInfo("etcd-members", "%s: %v", member.Metadata.Name, err)
		}
	}
	return m.promoteOne(ctx, etcd, members)
}

// promoteOne makes a voter of at most one learner that has caught up.
func (m *memberReconciler) promoteOne(
	ctx context.Context, etcd *etcdClient, members []etcdMember,
) error {
	for _, member := range members {
		// A member without a name has not started.
		if !member.IsLearner || member.Name == "" {
			continue
		}
		if err := etcd.promote(ctx, member.ID); err != nil {
			return fmt.Errorf("learner %s: %w", member.Name, err)
		}
		logInfo("etcd-members", "promoted learner %s to voting member", member.Name)
		return nil
	}
	return nil
}

func (m *memberReconciler) report(
	ctx context.Context, member *memberObject, status, message string,
) error {
	member.Status.ReconcileStatus, member.Status.Message = status, message
	return m.updateStatus(ctx, member)
}

func (m *memberReconciler) updateStatus(ctx context.Context, member *memberObject) error {
	ctx, cancel := context.WithTimeout(ctx, statusCallTimeout)
	defer cancel()
	path := membersPath + "/" + member.Metadata.Name + "/status"
	err := m.client.update(ctx, path, member, member)
	if isStatus(err, http.StatusConflict) {
		return fmt.Errorf("the object has changed: %w", err)
	}
	return err
}
