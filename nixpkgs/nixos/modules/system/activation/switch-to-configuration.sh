# Makes the running machine have the configuration that this file belongs to: units that are gone
# stop, /etc and the current system change, units that changed are restarted or reloaded, new ones
# start. Ends with 4 if a unit failed, as NixOS' own program does.
set -u
shopt -s nullglob
export LC_ALL=C

usage() {
  echo "usage: $0 test|switch|dry-activate" >&2
  exit 1
}

action=${1-}
case $action in
test | dry-activate) ;;
switch) echo "note: the machine starts with its first configuration again when it reboots" >&2 ;;
boot)
  echo "error: a machine always starts with the configuration that its test gave it; use test" >&2
  exit 1
  ;;
*) usage ;;
esac

new=$(dirname "$(dirname "$(readlink -f "$0")")")
old=$(readlink -f /run/current-system)
old_units=$(readlink -f "$old/etc/systemd/system")
new_units=$(readlink -f "$new/etc/systemd/system")
vendor=/usr/lib/systemd/system

mkdir -p /run/nixos
exec 9>/run/nixos/switch-to-configuration.lock
flock 9

# -- which units changed ----------------------------------------------------------------------

# Names of units whose files or drop-ins are not the same. Programs take long to start on an
# emulated processor: one comparison of all, not one of each.
declare -A changed
while IFS= read -r line; do
  case $line in
  "Files "*)
    path=${line#Files }
    path=${path%% and *}
    ;;
  # A file became a link, or a link a file.
  "File "*)
    path=${line#File }
    path=${path%% is a *}
    ;;
  "Only in "*)
    path=${line#Only in }
    path=${path/: //}
    ;;
  "Symbolic links "*)
    path=${line#Symbolic links }
    path=${path%% and *}
    ;;
  *) continue ;;
  esac
  path=${path#"$old_units"/}
  path=${path#"$new_units"/}
  path=${path#/}
  name=${path%%/*}
  case $name in
  *.wants | *.requires | *.upholds) ;;
  *) changed[${name%.d}]=1 ;;
  esac
done < <(diff -rq --no-dereference "$old_units/" "$new_units/")

# The text of a unit in a folder of units, with its drop-ins; empty if the folder says nothing.
text_of() {
  local folder=$1 unit=$2 file
  [ ! -e "$folder/$unit" ] || printf '%s\n' "$(<"$folder/$unit")"
  for file in "$folder/$unit.d/"*.conf; do
    printf '%s\n' "$(<"$file")"
  done
}

# The name under which units of a folder define `unit`, in `defined`: its own, or that of its template.
defined_as() {
  local folder=$1 unit=$2 template=$3
  defined=
  if [ -e "$folder/$unit" ] || [ -L "$folder/$unit" ] || [ -d "$folder/$unit.d" ]; then
    defined=$unit
  elif [ -n "$template" ] && { [ -e "$folder/$template" ] || [ -d "$folder/$template.d" ]; }; then
    defined=$template
  fi
}

says() { printf '%s\n' "$2" | grep -qxE "$1"; }

stop=() restart=() reload=() start=() skipped=()
declare -A ran=()

while read -r unit _ state _; do
  case $state in active | activating | reloading) ;; *) continue ;; esac
  ran[$unit]=1
  template=
  case $unit in *@*.*) template=${unit%%@*}@.${unit##*.} ;; esac
  [ -n "${changed[$unit]-}" ] || [ -n "${template:+${changed[$template]-}}" ] || continue
  defined_as "$old_units" "$unit" "$template"
  was=$defined
  defined_as "$new_units" "$unit" "$template"
  is=$defined
  if [ -z "$is" ] && [ ! -e "$vendor/$unit" ] && { [ -z "$template" ] || [ ! -e "$vendor/$template" ]; }; then
    stop+=("$unit")
    continue
  fi
  # A unit that is turned off is a link to nothing.
  if [ -n "$is" ] && [ "$(readlink -f "$new_units/$is")" = /dev/null ]; then
    stop+=("$unit")
    continue
  fi
  before=$([ -z "$was" ] || text_of "$old_units" "$was")
  after=$([ -z "$is" ] || text_of "$new_units" "$is")
  [ "$before" != "$after" ] || continue
  # Nothing but what a reload is for.
  if [ "$(grep -v '^X-Reload-Triggers=' <<<"$before")" = "$(grep -v '^X-Reload-Triggers=' <<<"$after")" ]; then
    reload+=("$unit")
    continue
  fi
  case $unit in
  *.target | *.slice | *.scope) ;;
  *.mount | *.swap) reload+=("$unit") ;;
  *)
    if says 'X-ReloadIfChanged=true' "$after"; then
      reload+=("$unit")
    elif says 'X-RestartIfChanged=false|RefuseManualStop=(true|yes)|X-OnlyManualStart=(true|yes)' "$after"; then
      skipped+=("$unit")
    elif says 'X-StopIfChanged=false' "$after"; then
      restart+=("$unit")
    else
      stop+=("$unit")
      start+=("$unit")
    fi
    ;;
  esac
done < <(systemctl list-units --full --all --plain --no-legend)

list() {
  local IFS=,
  local joined="$*"
  echo "${joined//,/, }"
}

if [ "$action" = dry-activate ]; then
  [ ${#stop[@]} = 0 ] || echo "would stop the following units: $(list "${stop[@]}")" >&2
  [ ${#skipped[@]} = 0 ] || echo "would NOT restart the following changed units: $(list "${skipped[@]}")" >&2
  echo "would activate the configuration..." >&2
  [ ${#reload[@]} = 0 ] || echo "would reload the following units: $(list "${reload[@]}")" >&2
  [ ${#restart[@]} = 0 ] || echo "would restart the following units: $(list "${restart[@]}")" >&2
  [ ${#start[@]} = 0 ] || echo "would start the following units: $(list "${start[@]}")" >&2
  exit 0
fi

# -- the change -------------------------------------------------------------------------------

status=0

if [ ${#stop[@]} != 0 ]; then
  echo "stopping the following units: $(list "${stop[@]}")" >&2
  systemctl stop -- "${stop[@]}" || true
fi
[ ${#skipped[@]} = 0 ] || echo "NOT restarting the following changed units: $(list "${skipped[@]}")" >&2

echo "activating the configuration..." >&2

owner() { echo "${1#+}"; }

# Entries that the old configuration had and the new one has not.
while IFS=$'\t' read -r target _; do
  rm -f -- "/etc/$target"
  rmdir -p --ignore-fail-on-non-empty -- "$(dirname "/etc/$target")" 2>/dev/null
done < <(
  comm -23 <(cut -f1 "$old/etc-manifest" 2>/dev/null | sort) <(cut -f1 "$new/etc-manifest" | sort)
)
ln -sfnT "$new/etc" /etc/static
while IFS=$'\t' read -r target kind mode user group source; do
  file=/etc/$target
  mkdir -p "$(dirname "$file")"
  case $kind in
  symlink) [ "$(readlink "$file")" = "/etc/static/$target" ] || ln -sfnT "/etc/static/$target" "$file" ;;
  directSymlink) [ "$(readlink "$file")" = "$source" ] || ln -sfnT "$source" "$file" ;;
  file) cmp -s "$source" "$file" || install -m "$mode" -o "$(owner "$user")" -g "$(owner "$group")" -T "$source" "$file" ;;
  esac || status=2
done <"$new/etc-manifest"

ln -sfnT "$new" /run/current-system.new && mv -T /run/current-system.new /run/current-system
[ ${#modules[@]} = 0 ] || modprobe -a -- "${modules[@]}" 2>/dev/null
if [ -x "$new/activate" ]; then "$new/activate" || status=2; fi

systemctl daemon-reload
systemctl reset-failed
systemd-tmpfiles --create --remove --exclude-prefix=/dev || true

if [ ${#reload[@]} != 0 ]; then
  echo "reloading the following units: $(list "${reload[@]}")" >&2
  systemctl reload -- "${reload[@]}" || status=4
fi
if [ ${#restart[@]} != 0 ]; then
  echo "restarting the following units: $(list "${restart[@]}")" >&2
  systemctl restart -- "${restart[@]}" || status=4
fi

# What the machine should run: active targets pull in what is new. One does not start what another
# that is active wants, so that each is started again.
targets=()
mapfile -t active < <(systemctl list-units --type=target --state=active --plain --no-legend --full | cut -d' ' -f1)
mapfile -t refusing < <(systemctl show --value -p RefuseManualStart -- "${active[@]}" | grep .)
for i in "${!active[@]}"; do
  [ "${refusing[i]}" = yes ] || says 'X-OnlyManualStart=(true|yes)' "$(text_of "$new_units" "${active[i]}")" || targets+=("${active[i]}")
done
[ ${#start[@]} = 0 ] || echo "starting the following units: $(list "${start[@]}")" >&2
systemctl start -- ${targets[@]+"${targets[@]}"} ${start[@]+"${start[@]}"} || status=4

# -- how it went ------------------------------------------------------------------------------

fresh=()
while read -r unit _; do
  [ -n "${ran[$unit]-}" ] || fresh+=("$unit")
done < <(systemctl list-units --state=active,activating,reloading --plain --no-legend --full)
[ ${#fresh[@]} = 0 ] || echo "the following new units were started: $(list "${fresh[@]}")" >&2

failed=()
while read -r unit _; do
  failed+=("$unit")
done < <(systemctl list-units --state=failed --plain --no-legend --full)
if [ ${#failed[@]} != 0 ]; then
  echo "warning: the following units failed: $(list "${failed[@]}")" >&2
  systemctl status --no-pager --full -- "${failed[@]}" >&2 || true
  status=4
fi
exit $status
