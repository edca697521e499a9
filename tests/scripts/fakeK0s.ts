/**
 * A small k0s in the sandbox, with what the scripts rely on: its commands and their habits, its
 * files, and its unit, whose condition is the real one. `$BOX/k0s` has what a test decides:
 * `blocked` (status never answers), `slow` (so many calls until the API answers), `no-namespace`
 * (so many until it has kube-system), `owner` (the ConfigMap of the owner).
 */
import * as fs from "node:fs";
import { script } from "../../provider/hosts/transport/script";
import type { Sandbox } from "./sandbox";

/** A certificate of a CA. It is valid until 2126. */
export const CA = `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUInnwhgdb6XoWbfs3q9jAbJ4sIOswCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNa3ViZXJuZXRlcy1jYTAgFw0yNjExMjYyMzM4MzZaGA8yMTI2
MTEwMjIzMzgzNlowGDEWMBQGA1UEAwwNa3ViZXJuZXRlcy1jYTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABMW/ZGfDRnAG72VCzhYVK139Msgc2eudr9G43Gia5BHf
MLT5mujkO/F+xiQeFQiDEBO2y48/aSK1EaW1ux3ILVujUzBRMB0GA1UdDgQWBBR+
A1Tz4Qmjmr1rabg1MS3oooAFSzAfBgNVHSMEGDAWgBR+A1Tz4Qmjmr1rabg1MS3o
ooAFSzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDDBAucZopr
VDFt4KLQ7F7Zh+lCeJxaMrQrCBKZ7kZ1CgIgZXx930WjuPdfrHMdZYtNYRdiDuEN
HiP5snQfirADSG4=
-----END CERTIFICATE-----
`;
export const CA_FINGERPRINT =
  "91:5C:1D:42:B4:17:03:56:43:C6:26:0F:A3:4D:05:B1:" +
  "7B:D0:F5:5E:6D:C0:CD:14:A5:7E:6F:38:65:49:42:0B";

const PROGRAM = `
PATH=$REAL_PATH
data=$BOX/data
running() { [ -e "$BOX/units/k0s.service" ]; }
case "$1 $2" in
  'status '*)
    [ ! -e "$BOX/k0s/blocked" ] || { trap '' TERM; while :; do sleep 1; done; }
    running || { echo "Error: can't get status" >&2; exit 1; }
    echo 'Version: v1.36.3+k0s.2' ;;
  'kubectl get')
    running || exit 1
    case $3 in configmap) cat "$BOX/k0s/owner" 2>/dev/null; exit 0 ;; esac
    left=$(cat "$BOX/k0s/slow" 2>/dev/null || echo 0)
    [ "$left" -eq 0 ] || { echo $((left - 1)) >"$BOX/k0s/slow"; exit 1; }
    printf ok ;;
  'kubectl create')
    running && [ ! -e "$BOX/k0s/owner" ] || exit 1
    namespaces=$(cat "$BOX/k0s/no-namespace" 2>/dev/null || echo 0)
    [ "$namespaces" -eq 0 ] || { echo $((namespaces - 1)) >"$BOX/k0s/no-namespace"; exit 1; }
    for word do case $word in
      --from-literal=stack=*) stack=\${word##*=} ;;
      --from-literal=project=*) project=\${word##*=} ;;
    esac; done
    printf '%s\t%s' "$stack" "$project" >"$BOX/k0s/owner" ;;
  'token create')
    running || exit 1
    echo "abc123 $*" >>"$BOX/k0s/tokens"
    echo 'level=info' >&2
    printf '%s' "$(cat "$BOX/k0s/token")" ;;
  'token list')
    case "$*" in *--role=controller* | *--role=worker*) ;; *)
      echo 'Error: unsupported role ""; supported roles are "controller" and "worker"' >&2
      exit 1 ;; esac
    [ ! -s "$BOX/k0s/tokens" ] || echo 'ID ROLE EXPIRES AT'
    sed 's/ .*/ worker 2026-11-26T14:44:00Z/' "$BOX/k0s/tokens" 2>/dev/null ;;
  'token invalidate')
    for id do :; done
    [ ! -e "$BOX/k0s/tokens" ] || [ -e "$BOX/k0s/stubborn" ] || sed -i "/^$id /d" "$BOX/k0s/tokens"
    echo "token $id deleted successfully" ;;
  'etcd member-list') running || exit 1; cat "$BOX/k0s/members" ;;
  'etcd leave')
    for address do :; done
    grep -q "//\${address#--peer-address=}:" "$BOX/k0s/members" || {
      echo 'Error: peer not found' >&2; exit 1; }
    echo '{"members":{}}' >"$BOX/k0s/members" ;;
  'kubeconfig create')
    echo "$3 $*" >>"$BOX/k0s/identities"
    cp "$data/pki/ca.crt" "$data/pki/$3.crt"
    echo PRIVATE >"$data/pki/$3.key"
    echo 'apiVersion: v1' ;;
  *) echo "unexpected: k0s $*" >&2; exit 1 ;;
esac
`;

/** What systemd and k0s do is not killed with the script. */
const SYSTEMCTL = `
PATH=$REAL_PATH
case $1 in
  is-active)
    if [ -e "$BOX/units/k0s.service" ]; then echo active; else echo inactive; exit 3; fi ;;
  reset-failed) ;;
  stop)
    [ -e "$BOX/units/k0s.service" ] || [ -e "$BOX/etc/k0s.service" ] || {
      echo 'Failed to stop k0s.service: Unit k0s.service not loaded.' >&2; exit 5; }
    rm -f "$BOX/units/k0s.service" ;;
  start)
    sh "$BOX/condition" "$BOX/data" "$(cat "$BOX/k0s/role")" "$BOX/k0stoken" production \\
      >>"$BOX/k0s/said" 2>&1 || exit 0
    cat "$BOX/run/k0s.env" >>"$BOX/k0s/starts"
    mkdir -p "$BOX/data/etcd/member/snap" "$BOX/data/pki"
    : >"$BOX/data/etcd/member/snap/db"
    : >"$BOX/data/kubelet.conf"
    cp "$BOX/k0s/ca" "$BOX/data/pki/ca.crt"
    : >"$BOX/units/k0s.service" ;;
esac
`;

export function installK0s(box: Sandbox, role: "controller" | "worker" = "controller"): void {
  const program = (name: string, text: string): void =>
    fs.writeFileSync(box.path("bin", name), `#!/bin/sh\n${text}`, { mode: 0o755 });
  for (const directory of ["k0s", "data"]) fs.mkdirSync(box.path(directory));
  program("k0s", PROGRAM);
  program("systemctl", SYSTEMCTL);
  box.write("condition", box.moved(script("k0s-condition")));
  box.write("k0s/role", role);
  box.write("k0s/ca", CA);
  box.write("k0s/members", '{"members":{"kc1":"https://192.0.2.21:2380"}}\n');
  const words = [box.path("condition"), box.path("data"), role, box.path("k0stoken"), "production"];
  box.write(
    "etc/k0s.service",
    `[Service]\nExecCondition=/bin/sh ${words.join(" ")}\n` +
      `ExecStart=${box.path("bin", "k0s")} ${role} --data-dir=/x $K0S_TOKEN_ARGUMENT\n`,
  );
}
