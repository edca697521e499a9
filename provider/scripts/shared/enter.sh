# shellcheck shell=sh
# Writing below /var/lib/microvms, where root is not alone: the directories are user microvm's, and a guest's
# root writes in its /etc share. A name there may be a link, or become one at any moment. So a script enters a
# directory, looks where it got to, and works with plain names in it: what becomes of the path does not matter then.

# enter NAME: an entry of the current directory; a link is refused.
enter() {
  expected=$(readlink /proc/self/cwd)/$1
  if [ -L "./$1" ] || ! cd -P "./$1" || [ "$(readlink /proc/self/cwd)" != "$expected" ]; then
    fail foreign "$expected is not a directory but a link, or was moved; nothing was written there" \
      "Find out who made it. A directory that lies elsewhere on purpose needs a bind mount."
  fi
}

# make_entered NAME: enters a directory, and makes it where there is none.
make_entered() {
  if [ ! -d "./$1" ]; then mkdir -m 0755 "./$1"; fi
  enter "$1"
}

require_own_directory() {
  [ -O . ] || fail foreign "$(readlink /proc/self/cwd) belongs to another user than root; nothing was written there" \
    "chown it to root, if it is what it should be."
}

# enter_vm NAME: the VM's directory, with microvm.nix's owner and mode.
enter_vm() {
  [ -d "$MICROVMS" ] || mkdir -m 0755 "$MICROVMS"
  cd "$MICROVMS"
  make_entered "$1"
  if [ "$(stat -c %U:%a .)" != microvm:755 ]; then
    chown microvm:kvm .
    chmod 0755 .
  fi
}

# enter_image_directory PATH: where an image is, or is to be. Elsewhere than in /var/lib/microvms it is the
# administrator's who may link there.
enter_image_directory() {
  case $1 in
    "$MICROVMS"/*/*)
      image_place=${1#"$MICROVMS"/}
      enter_vm "${image_place%%/*}"
      image_place=${image_place#*/}
      while [ "$image_place" != "${image_place#*/}" ]; do
        make_entered "${image_place%%/*}"
        image_place=${image_place#*/}
      done
      ;;
    *)
      [ -d "${1%/*}" ] || install -d -m 0755 -o microvm -g kvm "${1%/*}"
      cd "${1%/*}"
      ;;
  esac
}

# put_new NAME: a file from stdin in the current directory; nothing that is there under a name is opened.
put_new() {
  rm -rf "./$1.new"
  dd of="./$1.new" conv=excl status=none
  mv -fT "./$1.new" "./$1"
}
