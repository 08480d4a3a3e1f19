/* A plug-in of Slurm with the option --qpu=NAME, as sites with QPUs have one.
 *
 * The argument names=A,B lists the QPUs of the site. Others are refused at submission; the
 * environment of a job names the one it asked for. Each line KEY=VALUE of the file in the argument
 * account=FILE, if it is there, becomes the variable NAME_KEY of the job, as QRMI's plug-in does.
 */
#include <slurm/spank.h>
#include <stdio.h>
#include <string.h>

SPANK_PLUGIN(qpu, 1)

static const char *known = "";
static const char *account = "";
static char asked[64];

static int is_known(const char *name) {
    size_t length = strlen(name);
    for (const char *at = known; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && strchr(",", at[length]) != NULL)
            return 1;
    }
    return 0;
}

static int take(int value, const char *name, int remote) {
    (void)value, (void)remote;
    if (name == NULL || strlen(name) >= sizeof asked || !is_known(name)) {
        slurm_error("this site has no QPU %s, only %s", name, known);
        return -1; /* sbatch goes on after an error of any later function of a plug-in */
    }
    strcpy(asked, name);
    return 0;
}

static struct spank_option option = {"qpu", "NAME", "QPU that the job may use", 1, 0, take};

int slurm_spank_init(spank_t spank, int count, char **arguments) {
    for (int i = 0; i < count; i++)
        if (strncmp(arguments[i], "names=", 6) == 0)
            known = arguments[i] + 6;
        else if (strncmp(arguments[i], "account=", 8) == 0)
            account = arguments[i] + 8;
    return spank_option_register(spank, &option);
}

int slurm_spank_task_init_privileged(spank_t spank, int count, char **arguments) {
    (void)count, (void)arguments;
    if (!*asked)
        return ESPANK_SUCCESS;
    FILE *file = fopen(account, "r"); /* may be readable for root only */
    char line[1024], name[1200];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        value[strcspn(value, "\n")] = '\0';
        snprintf(name, sizeof name, "%s_%s", asked, line);
        spank_setenv(spank, name, value, 1);
    }
    if (file != NULL)
        fclose(file);
    return spank_setenv(spank, "SLURM_JOB_QPU_RESOURCES", asked, 1);
}
