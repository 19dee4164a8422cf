# Replaces owners: owners.pl TABLE DIRECTORY…
# TABLE has lines "u OLD NEW" and "g OLD NEW". Changing an owner clears special permissions and
# capabilities, so both are put back.
use strict;
use warnings;

my (%users, %groups);
my $table = shift;
open(my $in, '<', $table) or die "$table: $!\n";
while (<$in>) {
    my ($kind, $old, $new) = split;
    if ($kind eq 'u') { $users{$old} = $new } else { $groups{$old} = $new }
}
close($in);

sub visit {
    my ($path) = @_;
    my ($mode, $uid, $gid) = (lstat($path))[2, 4, 5];
    defined $mode or return;
    my $link = ($mode & 0170000) == 0120000;
    my $directory = ($mode & 0170000) == 0040000;
    my $new_uid = $users{$uid} // $uid;
    my $new_gid = $groups{$gid} // $gid;
    if (!$link && ($new_uid != $uid || $new_gid != $gid)) {
        my $capabilities = '';
        if (($mode & 0170000) == 0100000 && ($mode & 0111)) {
            open(my $get, '-|', 'getcap', $path) or die "getcap: $!\n";
            my $line = <$get> // '';
            close($get);
            $capabilities = $1 if $line =~ /\s(\S+)\s*$/ && $line =~ /cap_/;
        }
        chown($new_uid, $new_gid, $path) or die "chown $path: $!\n";
        chmod($mode & 07777, $path) or die "chmod $path: $!\n";
        if ($capabilities ne '') {
            system('setcap', $capabilities, $path) == 0 or die "setcap $path failed\n";
        }
    }
    if ($directory) {
        opendir(my $entries, $path) or die "$path: $!\n";
        my @names = grep { $_ ne '.' && $_ ne '..' } readdir($entries);
        closedir($entries);
        visit("$path/$_") for @names;
    }
}
visit($_) for @ARGV;
