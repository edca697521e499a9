/** Faults of addresses, names in the network, and SSH. */
import { KEY, testFaults } from "./cases";

testFaults([
  [
    "unknown jump host",
    (s) => s.replace("jumpHost: bastion", "jumpHost: moon"),
    "hypervisors.hv1.ssh.jumpHost: there is no jump host moon; known: bastion",
  ],
  [
    "a loop of jump hosts",
    (s) => s.replace(`${KEY} }\nprofiles`, `${KEY}, jumpHost: bastion }\nprofiles`),
    "ssh.jumpHosts.bastion.jumpHost: the jump hosts form a loop",
  ],
  [
    "duplicate IP",
    (s) => s.replace("192.0.2.32", "192.0.2.31"),
    "30:9 vms.kw2.ip: address 192.0.2.31 is already used by vms.kw1; give each its own address",
  ],
  [
    "the IP of a hypervisor as that of a VM",
    (s) => s.replace("192.0.2.31", "192.0.2.11"),
    "24:9 vms.kw1.ip: address 192.0.2.11 is already used by hypervisors.hv1",
  ],
  [
    "duplicate MAC in other case",
    (s) => s.replace("00:31", "0a:31").replace("02:00:00:00:00:32", "02:00:00:00:0A:31"),
    "31:10 vms.kw2.mac: MAC 02:00:00:00:0a:31 is already used by vms.kw1",
  ],
  [
    "duplicate vsock CID",
    (s) => s.replace("vsockCid: 32", "vsockCid: 31"),
    "32:15 vms.kw2.vsockCid: vsock CID 31 is already used by vms.kw1",
  ],
  [
    "reserved vsock CID",
    (s) => s.replace("vsockCid: 32", "vsockCid: 2"),
    "32:15 vms.kw2.vsockCid: is out of range",
  ],
  [
    "duplicate host name",
    (s) => s.replace("vsockCid: 32", "hostName: kw1"),
    "32:15 vms.kw2.hostName: host name kw1 is already used by vms.kw1",
  ],
  [
    "address outside its network",
    (s) => s.replace("192.0.2.31", "192.0.3.31"),
    "24:9 vms.kw1.ip: 192.0.3.31 is not a host address of the network 192.0.2.11/24",
  ],
  [
    "broadcast address",
    (s) => s.replace("192.0.2.31", "192.0.2.255"),
    "24:9 vms.kw1.ip: 192.0.2.255 is not a host address",
  ],
  [
    "gateway outside the network",
    (s) => `${s}network: { gateway: 10.1.1.1 }\n`,
    "vms.kw1.ip: the gateway 10.1.1.1 is not in the VM's network",
  ],
  [
    "multicast MAC",
    (s) => s.replace("02:00:00:00:00:31", "03:00:00:00:00:31"),
    "25:10 vms.kw1.mac: is a multicast address; make the second digit even: 02:...",
  ],
  [
    "malformed MAC",
    (s) => s.replace("02:00:00:00:00:31", "02:00:00:00:00"),
    "25:10 vms.kw1.mac: is not a MAC address",
  ],
  [
    "the SSH address of a hypervisor as the IP of a VM",
    (s) => s.replace("address: 10.0.0.1", "address: 192.0.2.31"),
    "vms.kw1.ip: address 192.0.2.31 is already used by hypervisors.hv1",
  ],
  [
    "the host name of a hypervisor as that of a VM",
    (s) => s.replace("vsockCid: 32", "hostName: hv1"),
    "vms.kw2.hostName: host name hv1 is already used by hypervisors.hv1",
  ],
  [
    "malformed host key",
    (s) => s.replace(`hostKey: ${KEY}, jump`, "hostKey: ssh-ed25519 AAAA, jump"),
    "hypervisors.hv1.ssh.hostKey: is not an SSH public key",
  ],
  [
    "a key whose data has another type",
    (s) =>
      s.replace(`hostKey: ${KEY}, jump`, `hostKey: ${KEY.replace("ssh-ed25519", "ssh-rsa")}, jump`),
    "hypervisors.hv1.ssh.hostKey: is not an SSH public key",
  ],
  [
    "invalid interface name",
    (s) => s.replace("nic: eno1", 'nic: "eno1;id"'),
    "hypervisors.hv1.nic: is not the name of a network interface",
  ],
  [
    "unknown jump host of a jump host",
    (s) => s.replace(`${KEY} }\nprofiles`, `${KEY}, jumpHost: moon }\nprofiles`),
    "ssh.jumpHosts.bastion.jumpHost: there is no jump host moon; known: bastion",
  ],
]);
