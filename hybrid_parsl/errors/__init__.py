"""Every error that hybrid-parsl raises on purpose, and the exit code of each.

::

    HybridParslError                  1
    ├── ConfigurationError            2   experiment, site, parameter
    │   ├── InsufficientMemoryError   2   a state larger than the free memory
    │   ├── SiteSettingsError         2   all that is wrong with a site's settings
    │   └── UntrustedFileError        2   a file of another user, or writable by others
    ├── SubmissionError               3
    │   ├── JobRejectedError          3   permanent: the job can never run as asked
    │   └── BackendUnavailableError   3   transient: trying again may help
    │       └── QuantumServiceUnavailableError  3   the service of a QPU
    ├── JobsLeftError                 3   jobs that were to be cancelled may still run
    ├── TaskError                     4
    │   ├── RankFailedError           4   an MPI rank raised or was killed
    │   ├── JobFailedError            4   the job ended before any rank could report
    │   ├── WalltimeExceededError     4   the job ran longer than it had asked for
    │   ├── NodeFailedError           4   the job lost one of its nodes
    │   ├── JobCancelledError          4   somebody cancelled the job
    │   ├── NotStartedError           4   a task was not started, because another had failed
    │   ├── ResultPendingError      4   waited long enough; the result may still come
    │   ├── StageFailedError          4   a stage raised something of its own
    │   ├── QuantumJobError           4   the sampler failed
    │   ├── ResultError               4   a result is missing, damaged or cannot be sent
    │   └── StorageError              4   a file of the run cannot be written
    ├── IdentityMismatchError         5   two ends run different sources
    └── RunOverlapError               6   another process works on the run or schedule

An error keeps all its arguments in ``args`` and makes its text in ``__str__``, so that it
survives a pickle on its way from a remote process.
"""

from hybrid_parsl.errors.base import (
    ConfigurationError,
    HybridParslError,
    IdentityMismatchError,
    InsufficientMemoryError,
    RunOverlapError,
    SiteSettingsError,
    UntrustedFileError,
)
from hybrid_parsl.errors.submission import (
    BackendUnavailableError,
    JobRejectedError,
    JobsLeftError,
    QuantumServiceUnavailableError,
    SubmissionError,
)
from hybrid_parsl.errors.task import (
    JobCancelledError,
    JobFailedError,
    NodeFailedError,
    NotStartedError,
    QuantumJobError,
    RankFailedError,
    ResultError,
    ResultPendingError,
    StageFailedError,
    StorageError,
    TaskError,
    WalltimeExceededError,
)

__all__ = [
    "BackendUnavailableError",
    "ConfigurationError",
    "HybridParslError",
    "IdentityMismatchError",
    "InsufficientMemoryError",
    "JobCancelledError",
    "JobFailedError",
    "JobRejectedError",
    "JobsLeftError",
    "NodeFailedError",
    "NotStartedError",
    "QuantumJobError",
    "QuantumServiceUnavailableError",
    "RankFailedError",
    "ResultError",
    "ResultPendingError",
    "RunOverlapError",
    "SiteSettingsError",
    "StageFailedError",
    "StorageError",
    "SubmissionError",
    "TaskError",
    "UntrustedFileError",
    "WalltimeExceededError",
]
