# shellcheck shell=sh
# Safe writes below /var/lib/microvms. Other users can write there: user microvm owns the
# directories, and the root user of a guest writes to its /etc share. Any name can be a symbolic
# link, or become one at any time. A script therefore enters a directory, verifies where it is, and
# then uses only plain names. A later change of the path has no effect on it.

# enter NAME: changes to a subdirectory of the current directory. Refuses a symbolic link.
enter() {
  expected=$(readlink /proc/self/cwd)/$1
  if [ -L "./$1" ] || ! cd -P "./$1" || [ "$(readlink /proc/self/cwd)" != "$expected" ]; then
    fail foreign "$expected is a symbolic link, or was moved; nothing was written there" \
      "Find out who created the link. To keep the directory elsewhere, use a bind mount."
  fi
}

# make_entered NAME: enters a directory, and creates it if it does not exist.
make_entered() {
  if [ ! -d "./$1" ]; then mkdir -m 0755 "./$1"; fi
  enter "$1"
}

require_own_directory() {
  [ -O . ] || fail foreign \
    "$(readlink /proc/self/cwd) does not belong to root; nothing was written there" \
    "Check its content. If it is correct, run: chown root on it."
}

# enter_vm NAME: enters the VM's directory, and sets the owner and mode that microvm.nix uses.
enter_vm() {
  [ -d "$MICROVMS" ] || mkdir -m 0755 "$MICROVMS"
  cd "$MICROVMS"
  make_entered "$1"
  if [ "$(stat -c %U:%a .)" != microvm:755 ]; then
    chown microvm:kvm .
    chmod 0755 .
  fi
}

# enter_image_directory PATH: enters the directory of an image. Outside /var/lib/microvms symbolic
# links are followed, because only the administrator can create them.
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

# put_new NAME: writes stdin to a file in the current directory. Never opens an existing file or
# follows a link.
put_new() {
  rm -rf "./$1.new"
  dd of="./$1.new" conv=excl status=none
  mv -fT "./$1.new" "./$1"
}
