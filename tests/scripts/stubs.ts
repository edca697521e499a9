/**
 * The commands of a host in the sandbox: real commands that are counted, and stubs. Each stub says
 * what it simulates. `$BOX` is the sandbox.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Counts the commands that may change something. Before each of them, runs `$BOX/attack`. Kills the
 * script's process group at the command that the test has chosen.
 */
export const COUNTED = `
read -r count <"$BOX/count"
count=$((count + 1))
echo "$count" >"$BOX/count"
[ "$count" != "$KILL_AT" ] || kill -KILL 0
[ ! -e "$BOX/attack" ] || . "$BOX/attack"
`;

/** The path of a command on this machine. */
function located(name: string): string {
  const directories = (process.env["PATH"] ?? "").split(delimiter);
  const found = directories.map((one) => join(one, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`this machine has no ${name}`);
  return found;
}

/** Real commands that are counted. */
const real = (names: string[]): [string, string][] =>
  names.map((name) => [name, `exec ${located(name)} "$@"`]);

export const REAL = real([
  "mkdir",
  "chmod",
  "truncate",
  "dd",
  "mv",
  "rm",
  "rmdir",
  "ln",
  "find",
  "mktemp",
]);

/** Replacements for the stubs of the same names. */
export const E2FSPROGS = Object.fromEntries(real(["mkfs.ext4", "e2fsck", "e2label", "resize2fs"]));

export const STUBS: Record<string, string> = {
  logger: `# The journal: writes the text to a file, without tag and time.
shift 3; echo "$1" >>"$BOX/journal"`,
  chown: "# Does nothing: ownership requires root.",
  sync: "# Does nothing: the sandbox has no power failures.",
  install: `# install -d without owners.
for path do case $path in */*) mkdir -p "$path" ;; esac; done`,
  "mkfs.ext4": `# A file system is one line at the start of the image, with its label at byte 64.
# A second file system on top is an error.
for image do :; done
[ "$(head -c 4 "$image")" != ext4 ] || exit 1
printf 'ext4\\n' | dd of="$image" conv=notrunc status=none
while [ "$1" != -L ]; do shift; done
printf '%s' "$2" | dd of="$image" bs=1 seek=64 conv=notrunc status=none`,
  e2label: `printf '%s\\0' "$2" | dd of="$1" bs=1 seek=64 conv=notrunc status=none`,
  e2fsck: "# Never finds a fault.",
  resize2fs: `# Writes the size of the file system after its name.
stat -L -c 'ext4 %s' "$1" | dd of="$1" conv=notrunc status=none`,
  "ssh-keygen": `# Always creates the same key pair.
case $1 in
  -y) echo "ssh-ed25519 AAAA" ;;
  *) while [ "$1" != -f ]; do shift; done; echo private >"$2"; echo public >"$2.pub" ;;
esac`,
  "nix-env": `# nix-env --profile P --set X: keeps only one generation.
ln -sfn "$4" "$2-2-link"; ln -sfn "$4" "$2"`,
  journalctl: "# The journal is empty.",
  losetup: "# No loop devices.",
  bootctl: `# The one-shot entry is a file.
case $1 in
  --print-esp-path) echo "$BOX/systems" ;;
  set-oneshot) echo "$2" >"$BOX/systems/oneshot" ;;
esac`,
  "nix-store": "# Every path is valid; nothing is built.",
  "systemd-run": `# A timer is a file. The test decides when it fires. Other units run at once.
for word do
  case $word in --unit=*) unit=\${word#--unit=} ;; --on-active=*) timer=yes ;; esac
done
if [ -n "\${timer:-}" ]; then
  : >"$BOX/units/$unit.timer"
  while [ $# -gt 0 ] && [ "$1" != /bin/sh ]; do shift; done
  printf '%s\\0' "$@" >"$BOX/timer-$unit"
  exit
fi
echo "$unit" >>"$BOX/started"
while [ "$1" != /bin/sh ]; do shift; done
PATH=$BOX/bin:$REAL_PATH
"$@" || true`,
  systemctl: `# A unit is active if its file exists. microvm@NAME also has its booted link.
# No unit fails, and there are no times.
[ "$1" != -q ] || { shift; exec >/dev/null; }
# As while systemd re-executes itself: so many calls fail without an answer.
silent=$(cat "$BOX/silent" 2>/dev/null || echo 0)
if [ "$silent" -gt 0 ]; then
  echo "$((silent - 1))" >"$BOX/silent"
  echo 'Failed to connect to bus: No such file or directory' >&2
  exit 1
fi
for unit do :; done
name=\${unit#microvm@}; name=\${name%.service}
vm=$BOX/microvms/$name
case $1 in
  is-active)
    shift
    code=3
    for unit do
      if [ -e "$BOX/units/$unit" ]; then echo active; code=0; else echo inactive; fi
    done
    exit "$code" ;;
  list-unit-files) echo 'multi-user.target static -' ;;
  start | restart)
    echo yes >"$BOX/condition"
    if [ -n "$(ls -A "$BOX/state/held/$name" 2>/dev/null)" ]; then
      echo no >"$BOX/condition"
      exit 0
    fi
    : >"$BOX/units/$unit"
    case $unit in microvm@*) ln -sfn "$(readlink "$vm/current")" "$vm/booted" ;; esac ;;
  cat) echo 'ConditionDirectoryNotEmpty=!/var/lib/pulumi-microvm/held/%i' ;;
  list-units)
    for unit in "$BOX"/units/microvm@*.service; do
      [ ! -e "$unit" ] || echo "\${unit##*/} loaded active running a VM"
    done ;;
  is-system-running) ;;
  show)
    case " $* " in
      *" --property=Id,"*) ;;
      *" --property=MainPID "*) [ ! -e "$BOX/vmm/cmdline" ] || echo 7; exit ;;
      *" --property=Job "*) cat "$BOX/job" 2>/dev/null || echo 0; exit ;;
      *" --property=ConditionResult "*) cat "$BOX/condition" 2>/dev/null || echo yes; exit ;;
      *) exit 0 ;;
    esac
    while [ "\${1#*.service}" = "$1" ]; do shift; done
    for unit do
      if [ -e "$BOX/units/$unit" ]; then state=active; else state=inactive; fi
      printf 'Id=%s\\nActiveState=%s\\n\\n' "$unit" "$state"
    done ;;
  # Of units by a pattern: what it matches.
  stop) for unit do rm -f "$BOX/units/"$unit; done; [ ! -d "$vm" ] || rm -f "$vm/booted" ;;
esac`,
};
/** Not counted: these commands change nothing, or only between two counted commands. */
export const UNCOUNTED: Record<string, string> = {
  nc: `# QEMU's control socket: stores the size of a disk and the value of the balloon in files.
[ "$1" != -z ] || exit 0
while read -r line; do
  case $line in
    *block_resize*) printf '%s\n' "$line" >"$BOX/vmm/size" ;;
    *balloon*) printf '%s\n' "$line" >"$BOX/vmm/balloon" ;;
    *) continue ;;
  esac
  echo '{"return": {}, "id": "pulumi-microvm"}'
  break
done`,
  blkid: `# Knows the file system of the mkfs.ext4 above. Prints one tag, or a block for each image.
code=2
label() { dd if="$1" bs=1 skip=64 count=16 status=none | tr -d '\\0'; }
case $* in
  *"-s TYPE -- "*) want=TYPE ;;
  *"-s LABEL -- "*) want=LABEL ;;
esac
case $* in *"-o export"*) want=block ;; esac
while [ "$1" != -- ]; do shift; done
shift
for image do
  [ "$(head -c 4 "$image" 2>/dev/null)" = ext4 ] || continue
  case $want in
    TYPE) echo ext4 ;;
    LABEL) label "$image" ;;
    block) printf 'DEVNAME=%s\\nLABEL=%s\\nTYPE=ext4\\n\\n' "$image" "$(label "$image")" ;;
  esac
  code=0
done
exit $code`,
  ip: "# No bridges.",
  nix: "# Not installed.\nexit 1",
};
