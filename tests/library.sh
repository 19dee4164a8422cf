# Sourced by tests/run: what the Nix library says of itself. Nothing is built and nothing boots.
# shellcheck shell=sh

step "the Nix library"

# Each evaluates to the list of its failures.
for file in nixpkgs/lib/tests/run.nix nixpkgs/nixos/lib/tests/run.nix nixpkgs/nixos/modules/tests/run.nix \
    nixpkgs/nixos/modules/services/tests/run.nix nixpkgs/pkgs/tests/run.nix; do
    result=$(timeout 120 "$snowglobe" eval "$file" --strict --nixpkgs nixpkgs 2>&1) || result="$result (exit status $?)"
    if [ "$result" = "[ ]" ]; then ok; else bad "$file: $result"; fi
done

unread=$(timeout 120 "$snowglobe" eval nixpkgs/snowglobe/options.nix -A unread --strict 2>&1)
if [ "$unread" = "[ ]" ]; then ok; else bad "options that are accepted and that nothing reads: $unread"; fi

if timeout 120 "$snowglobe" eval nixpkgs/snowglobe/options.nix -A markdown --raw | cmp -s - docs/options.md; then
    ok
else
    bad "docs/options.md is not what the modules say: run ./x docs"
fi

# Every method of a machine is in the user's guide.
methods=$(sed -n '/^class BaseMachine/,/^class Wait/s/^    def \([a-z][a-z_]*\)(.*/\1/p' python/test_driver/machine/__init__.py | sort -u)
missing=
for method in $methods; do grep -q "\`$method[(\`]" docs/machines.md || missing="$missing $method"; done
if [ -n "$methods" ] && [ -z "$missing" ]; then ok; else bad "docs/machines.md lacks:$missing"; fi

# Every option that a machine of upstream's has works here or is refused by name: docs/options.md says which. That those that
# work do is seen in tests/e2e (hardware, network, sharing).
missing=
for option in additionalPaths allInterfaces bios bootLoaderDevice bootPartition cores directBoot.enable directBoot.initrd \
    diskImage diskSize efi.OVMF efi.firmware efi.keepVariables efi.variables emptyDiskImages fileSystems \
    forwardPorts graphics host.pkgs installBootLoader interfaces memorySize mountHostNixStore msize qemu.consoles \
    qemu.diskInterface qemu.drives qemu.guestAgent.enable qemu.networkingOptions qemu.options qemu.package \
    qemu.virtioKeyboard resolution restrictNetwork rootDevice sharedDirectories tpm.deviceModel tpm.enable \
    tpm.package tpm.provisioning useBIOSBoot useBootLoader useDefaultFilesystems useEFIBoot useHostCerts \
    useNixStoreImage useSecureBoot vlans writableStore writableStoreUseTmpfs \
    qemu.enableSharedMemory qemu.forceAccel credentials; do
    grep -qF "### \`virtualisation.$option\`" docs/options.md || missing="$missing $option"
done
if [ -z "$missing" ]; then ok; else bad "options of machines that are neither supported nor refused:$missing"; fi
