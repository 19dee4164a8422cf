# Makes a layer out of what apt wrote: prune.pl LAYER BASE-LISTS KEPT-NAMES
# LAYER is the upper directory of an overlay over the base. Prints the names of its new packages.
use strict;
use warnings;

my ($layer, $base_lists, $kept_file) = @ARGV;
my $aside = 'usr/share/snowglobe/etc';

sub lines { open(my $in, '<', $_[0]) or die "$_[0]: $!\n"; chomp(my @l = <$in>); return @l }
# Without a process for each of many files.
sub remove {
    for my $path (@_) {
        if (-d $path && !-l $path) { system('rm', '-rf', '--', $path) == 0 or die "rm $path failed\n" }
        else { unlink($path) or die "$path: $!\n" }
    }
}
sub copy {
    my ($from, $to) = @_;
    open(my $out, '>', $to) or die "$to: $!\n";
    print $out "$_\n" for lines($from);
    close($out) or die "$to: $!\n";
}
sub entries {
    opendir(my $d, $_[0]) or return ();
    my @n = grep { $_ ne '.' && $_ ne '..' } readdir($d);
    return @n;
}

chdir($layer) or die "$layer: $!\n";

# The packages of this layer and their paths.
my (%owned, %package_of);
mkdir('/mnt/work/lists');
for my $file (glob('var/lib/dpkg/info/*.list')) {
    my ($name) = $file =~ m{([^/:]+)(:[^/]*)?\.list$};
    next if -e "$base_lists/$name";
    for (lines($file)) { $owned{$_} = 1; $package_of{$_} = $name }
    copy($file, "/mnt/work/lists/$name");
    print "$name\n";
}

# Names that update-alternatives made: files of the packages that they may stand for. A file there says how the choice
# is made, then link, and name and link of each that follows; after an empty line each path that may be chosen, its
# priority, and the paths that follow it.
for my $file (glob('var/lib/dpkg/alternatives/*')) {
    my (undef, @l) = lines($file);
    my @links = (shift @l);
    while (@l && (shift @l) ne '') { push @links, shift @l }
    while (@l && $l[0] ne '') {
        my ($master, undef, @rest) = splice(@l, 0, @links + 1);
        my @targets = ($master, @rest);
        for my $i (0 .. $#links) {
            my $target = $targets[$i] // '';
            my $package = $package_of{$target} // $package_of{"/usr$target"} // next;
            open(my $list, '>>', "/mnt/work/lists/$package") or die "$package: $!\n";
            print $list "$links[$i]\n";
            close($list) or die "$package: $!\n";
        }
    }
}

# /etc: what programs read whatever the configuration says stays; what the configuration replaces
# goes; the rest lies aside, where views can link to it.
my %kept = map { $_ => 1 } lines($kept_file);
my %never = map { $_ => 1 } qw(passwd group shadow gshadow subuid subgid machine-id systemd hostname
    resolv.conf hosts init.d mtab .pwd.lock localtime timezone apt cron.d cron.daily cron.hourly
    cron.monthly cron.weekly rc0.d rc1.d rc2.d rc3.d rc4.d rc5.d rc6.d rcS.d);
for my $name (entries('etc')) {
    if ($never{$name} || $name =~ /-$/) { remove("etc/$name"); next }
    next if $kept{$name};
    my $is_whiteout = (lstat("etc/$name"))[2] & 0170000;
    if ($is_whiteout == 0020000) { remove("etc/$name"); next }
    system('mkdir', '-p', $aside) == 0 or die "mkdir failed\n";
    system('mv', '-T', '--', "etc/$name", "$aside/$name") == 0 or die "mv etc/$name failed\n";
}
# Nothing that scripts have made up, such as keys: all machines would share it.
sub prune_aside {
    my ($path) = @_;
    for my $name (entries("$aside/$path")) {
        my $child = $path eq '' ? $name : "$path/$name";
        if (-d "$aside/$child" && !-l "$aside/$child") { prune_aside($child) }
        elsif (!$owned{"/etc/$child"}) { remove("$aside/$child") }
    }
}
prune_aside('') if -d $aside;
remove(grep { -e } 'etc/ssl/private/ssl-cert-snakeoil.key',
    'etc/ssl/certs/ssl-cert-snakeoil.pem');
for my $link (glob('etc/ssl/certs/*')) { remove($link) if -l $link && readlink($link) =~ /snakeoil/ }

# /var: only directories that packages own, and a cache that takes minutes to make under emulation.
# Most of what goes is dpkg's and apt's.
remove(grep { -e } map { "var/$_" } qw(lib/dpkg lib/apt cache/apt cache/debconf lib/ucf));
my %kept_var = ('var/cache/fontconfig' => 1);
sub prune_var {
    my ($path) = @_;
    return 1 if $kept_var{$path};
    my $keep = $owned{"/$path"};
    for my $name (entries($path)) {
        my $child = "$path/$name";
        if (-d $child && !-l $child) { $keep = 1 if prune_var($child) }
        elsif (-l $child && $owned{"/$child"}) { $keep = 1 }
        else { remove($child) }
    }
    if (!$keep) { rmdir($path) or die "$path: $!\n" }
    return $keep;
}
prune_var('var') if -d 'var';

# Everything else that does not come from a package is nobody's.
for my $name (entries('.')) {
    remove($name) unless $name =~ /^(usr|etc|var|opt|bin|sbin|lib|lib64)$/;
}
remove(grep { -e } 'usr/sbin/policy-rc.d', glob('usr/lib/python3/dist-packages/__pycache__/apport*'));

# Programs name their interpreters by path: what a configuration has in PATH is its own affair. The base is the root here.
sub settle_interpreters {
    my ($path) = @_;
    for my $name (entries($path)) {
        my $child = "$path/$name";
        next if -l $child;
        if (-d _) { settle_interpreters($child); next }
        next unless -f _ && -x _ && -s _ < 1 << 24;
        open(my $in, '<:raw', $child) or die "$child: $!\n";
        my $first = '';
        read($in, $first, 128);
        next unless $first =~ m{^#!\s*/usr/bin/env[ \t]+([\w.+-]+)[ \t]*\n};
        my ($line, $interpreter) = ($&, "/usr/bin/$1");
        next unless -e ".$interpreter" || -l ".$interpreter" || -e $interpreter;
        seek($in, length($line), 0) or die "$child: $!\n";
        my ($rest, $mode) = (do { local $/; <$in> } // '', (stat($in))[2]);
        # In place: the owner stays. Some may not be written to by anybody.
        chmod($mode | 0200, $child) or die "$child: $!\n";
        open(my $out, '>:raw', $child) or die "$child: $!\n";
        print $out "#!$interpreter\n$rest";
        close($out) or die "$child: $!\n";
        chmod($mode & 07777, $child) or die "$child: $!\n";
    }
}
for my $place (qw(usr/bin usr/sbin usr/games usr/libexec usr/lib)) { settle_interpreters($place) if -d $place }

# What overlayfs notes for itself, except that a directory hides the one below it, of the base,
# which is the root here.
open(my $find, '-|', 'getfattr', '-R', '-h', '-P', '--absolute-names', '-m', '^user\.overlay\.', '.') or die;
my ($path, %strip);
while (<$find>) {
    chomp;
    if (/^# file: (.*)/) { $path = $1; $path =~ s/\\(\d{3})/chr(oct($1))/ge }
    elsif (/^(user\.overlay\.\w+)/ && !($1 eq 'user.overlay.opaque' && -d "/$path")) { push @{$strip{$1}}, $path }
}
close($find);
for my $attribute (keys %strip) {
    my @paths = @{$strip{$attribute}};
    while (my @some = splice(@paths, 0, 500)) {
        system('setfattr', '-h', '-x', $attribute, '--', @some) == 0 or die "setfattr failed\n";
    }
}
