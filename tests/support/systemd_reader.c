/* Reads unit files with systemd's own config_parse() and prints what it saw, so that a test can
 * hold another reader against it. The library's path is the first argument.
 *   files NAME...   for each: "F", then "A section key value" in hex for each assignment, then
 *                   "R 0" or "R 1" (refused)
 *   spans           for each line of stdin: the time span in microseconds, or "-"
 *   words           for each line of stdin: its words in hex, or "-" where they cannot be cut
 *   names           for each line of stdin: 1 where it is a valid unit name, else 0
 *   environment     for each line of stdin: 1 where it is a valid assignment, else 0
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*callback)(const char *, const char *, unsigned, const char *, unsigned, const char *,
                        int, const char *, void *, void *);
typedef int (*lookup)(const void *, const char *, const char *, callback *, int *, void **, void *);

static void hex(const char *text) {
    putchar('.');
    for (; text && *text; text++)
        printf("%02x", (unsigned char) *text);
}

static int assignment(const char *unit, const char *file, unsigned line, const char *section,
                      unsigned section_line, const char *key, int type, const char *value,
                      void *data, void *user) {
    if (!section) /* before the first header: systemd ignores it where it knows its sections */
        return 0;
    printf("A ");
    hex(section);
    putchar(' ');
    hex(key);
    putchar(' ');
    hex(value);
    putchar('\n');
    return 0;
}

static int accept_all(const void *table, const char *section, const char *key, callback *function,
                      int *type, void **data, void *user) {
    *function = assignment;
    *type = 0;
    *data = NULL;
    return 1;
}

static void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "no %s: %s\n", name, dlerror());
        exit(2);
    }
    return found;
}

int main(int count, char **arguments) {
    void *library = count > 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    /* systemd's own complaints are not what is compared */
    void (*level)(int) = dlsym(library, "log_set_max_level");
    if (level)
        level(0);
    const char *mode = arguments[2];
    if (!strcmp(mode, "files")) {
        int (*parse)(const char *, const char *, FILE *, const char *, lookup, const void *, int,
                     void *, void *) = symbol(library, "config_parse");
        for (int i = 3; i < count; i++) {
            FILE *file = fopen(arguments[i], "re");
            if (!file)
                return 2;
            puts("F");
            int result = parse("x.service", arguments[i], file, NULL, accept_all, NULL, 0, NULL,
                               NULL);
            printf("R %d\n", result < 0);
            fclose(file);
        }
        return 0;
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stdin)) >= 0) {
        if (length && line[length - 1] == '\n')
            line[length - 1] = 0;
        if (!strcmp(mode, "spans")) {
            int (*parse)(const char *, uint64_t *) = symbol(library, "parse_sec");
            uint64_t span;
            if (parse(line, &span) < 0)
                puts("-");
            else
                printf("%llu\n", (unsigned long long) span);
        } else if (!strcmp(mode, "words")) {
            int (*cut)(const char **, char **, const char *, int, const char *, const char *,
                       unsigned, const char *) =
                symbol(library, "extract_first_word_and_warn");
            const char *rest = line;
            for (;;) {
                char *word = NULL;
                /* EXTRACT_CUNESCAPE | EXTRACT_UNQUOTE as they are numbered in 252 */
                int result = cut(&rest, &word, NULL, 2 | 32, "x.service", "x", 1, line);
                if (result < 0)
                    putchar('-');
                if (result <= 0)
                    break;
                hex(word);
                free(word);
            }
            putchar('\n');
        } else if (!strcmp(mode, "names")) {
            int (*valid)(const char *, int) = symbol(library, "unit_name_is_valid");
            printf("%d\n", (valid(line, 7) & 0xff) != 0);
        } else {
            int (*valid)(const char *) = symbol(library, "env_assignment_is_valid");
            printf("%d\n", (valid(line) & 0xff) != 0);
        }
    }
    return 0;
}
