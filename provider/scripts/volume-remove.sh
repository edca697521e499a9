# shellcheck shell=sh
# Behind vmm.sh. p_key p_image p_on_delete p_record
record=$STATE/volumes/$p_key.json

remove_volume() {
  [ -e "$record" ] || return 0
  require_ours "$record" "volume $p_key ($p_image)"
  if ! vm_is_stopped "$p_vm"; then
    fail operation "volume $p_key is in use: its VM runs" "Stop microvm@$p_vm first."
  fi
  case $p_on_delete in
    retain)
      write_file "$record" 0644 "${p_record}retained\"}"
      journal "kept volume $p_key ($p_image)"
      ;;
    trash)
      mkdir -p "$STATE/trash"
      trash=$STATE/trash/$p_key-$(date +%Y%m%dT%H%M%S)
      if [ -e "$p_image" ]; then
        mv -n "$p_image" "$trash.img"
        journal "moved volume $p_key ($p_image) to $trash.img"
      fi
      mv -n "$record" "$trash.json"
      ;;
    delete)
      if [ -e "$p_image" ]; then
        rm -f "$p_image"
        journal "deleted volume $p_key ($p_image)"
      fi
      rm -f "$record"
      ;;
    *) fail input "unknown onDelete $p_on_delete" ;;
  esac
  rmdir "${p_image%/*}" 2>/dev/null || true
}

remove_volume
finish
