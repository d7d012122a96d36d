Every command, and the options of one.
=== run
gabi help
gabi help pin
gabi check --help
gabi version
=== status 0
=== out
Usage: gabi COMMAND [OPTION]... [OPERAND]...
Keeps the ABI that a guest sees the same for its whole life.

  probe                                  write the manifest of this machine
  show      FILE...                      show what contracts and manifests say
  pin       FILE                         write the contract of a guest that is given all a host offers
  check     CONTRACT HOST...             say whether a contract fits hosts, and why not
  diff      HOST HOST                    say what a change of host means to guests
  baseline  HOST...                      find the largest contract that fits all hosts
  rollback  CONTRACT                     say whether a guest may go to a host and come back
  plan      CONTRACT HOST                list the operations that put a contract onto a host
  names     [TEXT]                       list what can be promised, by name
  help      [COMMAND]                    say how a command is used
  version                                print the version

'-' as a file is standard input. 'gabi help COMMAND' lists the options of one command.
Exit status: 0 fits or done, 1 does not fit or not known, 2 wrong usage, 3 bad input, 4 refused by host or kernel.
Usage: gabi pin [OPTION]... FILE
Use it to write the contract of a guest that is given all a host offers.

  -h, --help               say how the command is used, and stop
  -o, --output FILE        write to FILE, whole or not at all, instead of standard output
      --offer FILE         lay the offer of a VMM over every host
  -m, --minus NAME,..      leave out the named features
  -n, --name TEXT          give the result that name
Usage: gabi check [OPTION]... CONTRACT HOST...
Use it to say whether a contract fits hosts, and why not.

  -h, --help               say how the command is used, and stop
      --offer FILE         lay the offer of a VMM over every host
  -a, --all                leave nothing out of the tables
gabi 0.1.0
=== err
