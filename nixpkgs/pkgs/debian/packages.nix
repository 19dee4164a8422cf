{
  bash = { };
  coreutils = { main = null; };
  hello = { };
  nginx = { };
  gcc_ = "gcc";
  libc6 = {};
  glibc = { deb = "libc6"; main = null; };
}
