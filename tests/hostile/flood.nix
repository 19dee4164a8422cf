# A script that prints 100 MB: the run keeps what it promised to keep, and says that it left out the rest.
{
  name = "flood";
  nodes = { };
  testScript = ''
    line = "x" * 99 + "\n"
    for _ in range(1_000_000):
        print(line, end="")
    print("the end")
  '';
}
