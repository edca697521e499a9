package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// reconcile compares one EtcdMember with etcd, and takes the next step of its leave. It repeats the
// order and the messages of reconcileMember in k0s's etcd_member_reconciler.go.
func (m *memberReconciler) reconcile(
	ctx context.Context, etcd *etcdClient, members []etcdMember, member *memberObject,
) error {
	id, err := decimal(member.Status.MemberID)
	if err != nil {
		return m.report(ctx, member, reconcileFailed, "Failed to parse memberID: "+err.Error())
	}
	listed := false
	for _, other := range members {
		listed = listed || other.ID == id
	}
	if !listed {
		if member.Status.joined() == "False" {
			return nil
		}
		const message = "No such member ID"
		member.Status.setJoined("False", message)
		return m.report(ctx, member, reconcileSuccess, message)
	}
	if !member.Spec.Leave {
		return nil
	}
	if member.Status.PeerAddress == m.config.Spec.Storage.Etcd.PeerAddress {
		return m.leaveLeadership(ctx, member)
	}
	if gone, err := m.isGone(ctx, member); err != nil || !gone {
		return err
	}
	if err := m.removeFromEtcd(ctx, etcd, id); err != nil {
		message := "Failed to delete member from cluster: " + err.Error()
		return errors.Join(err, m.report(ctx, member, reconcileFailed, message))
	}
	const message = "Member removed from cluster"
	member.Status.setJoined("False", message)
	return m.report(ctx, member, reconcileSuccess, message)
}

// leaveLeadership hands the leave of the leader itself to the next leader.
func (m *memberReconciler) leaveLeadership(ctx context.Context, member *memberObject) error {
	if m.controllers() < 2 {
		return m.reportOnce(ctx, member, "The only active controller cannot leave the etcd cluster; "+
			"either bring another controller online or clear spec.leave")
	}
	err := m.reportOnce(ctx, member, "Waiting for another controller to take over")
	m.leader.yield()
	return err
}

// isGone tells whether the controller of a member has stopped, by its lease. A running one is asked
// to stop, and removes itself from etcd. One whose lease ended is given time for that.
func (m *memberReconciler) isGone(ctx context.Context, member *memberObject) (bool, error) {
	invocation := member.Metadata.Labels[shutdownOnLeave]
	if invocation == "" {
		return true, nil
	}
	name := member.Metadata.Labels[leaseLabel]
	if name == "" {
		name = "k0s-ctrl-" + member.Metadata.Name
	}
	var held lease
	if err := m.client.get(ctx, leasesPath+"/"+name, &held); err != nil {
		message := "Failed to get k0s controller lease: " + err.Error()
		if isNotFound(err) {
			message = "No k0s controller lease found"
		}
		return false, m.reportOnce(ctx, member, message)
	}
	if held.valid() {
		if held.Spec.HolderIdentity != invocation {
			return false, m.reportOnce(ctx, member, "Unexpected lease holder")
		}
		if member.Metadata.Labels[shutdownLabel] != invocation {
			logInfo("etcd-members", "%s: requesting shutdown", member.Metadata.Name)
			return false, m.patchMember(ctx, member, object{
				"metadata": object{"labels": object{shutdownLabel: invocation}},
			})
		}
		return false, m.reportOnce(ctx, member,
			"Member is still active; waiting for it to shutdown")
	}
	if held.Spec.RenewTime != nil && time.Since(held.Spec.RenewTime.Time) < m.deadMember {
		return false, m.reportOnce(ctx, member, "Member is offline; waiting for it to leave")
	}
	return true, nil
}

// reportOnce does not write a message again: its own change would wake the reconciler for ever.
func (m *memberReconciler) reportOnce(
	ctx context.Context, member *memberObject, message string,
) error {
	if member.Status.Message == message && member.Status.ReconcileStatus == "" {
		return nil
	}
	return m.report(ctx, member, "", message)
}

func (m *memberReconciler) removeFromEtcd(
	ctx context.Context, etcd *etcdClient, id string,
) error {
	for attempt := 1; ; attempt++ {
		err := etcd.remove(ctx, id)
		if err == nil || attempt == removalAttempts {
			return err
		}
		text := err.Error()
		if !strings.Contains(text, "unhealthy cluster") &&
			!strings.Contains(text, "leader changed") {
			return err
		}
		if !pause(ctx, 5*time.Second) {
			return err
		}
	}
}

// leaveEtcd removes this controller's own member (pkg/component/controller/etcd.go leave).
func leaveEtcd(vars *k0sVars) error {
	etcd, err := newEtcdClient(vars)
	if err != nil {
		return fmt.Errorf("failed to leave the cluster: %w", err)
	}
	for attempt := 1; ; attempt++ {
		err := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			id, err := etcd.ownID(ctx)
			if err != nil {
				return err
			}
			return etcd.remove(ctx, id)
		}()
		// A member that removes itself may stop before it has answered.
		if err == nil || strings.Contains(err.Error(), "server stopped") {
			logInfo("etcd", "Left the cluster")
			return nil
		}
		if attempt == 10 {
			return fmt.Errorf("failed to leave the cluster: %w", err)
		}
		logError("etcd", "failed to remove member: %v", err)
		time.Sleep(3 * time.Second)
	}
}
