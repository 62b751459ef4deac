#include "CGetopt.h"

#include <stddef.h>

int millrace_getopt(
    int argc, char **argv, const struct option *table, int restart, const char **value, int *next) {
    if (restart)
        optind = 0; /* glibc: initialize again */
    opterr = 0;
    optarg = NULL;
    int found = getopt_long(argc, argv, ":", table, NULL);
    *value = optarg;
    *next = optind;
    return found;
}
