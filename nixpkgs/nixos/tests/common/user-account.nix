# Two people whose password is `foobar`.
{ ... }:
let
  person = uid: description: {
    isNormalUser = true;
    inherit uid description;
    password = "foobar";
  };
in
{
  users.users.alice = person 1000 "Alice Foobar";
  users.users.bob = person 1001 "Bob Foobar";
}
