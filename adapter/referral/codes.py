"""The codes of our own tables that the rules themselves write; their labels are in `mappings/terms/`."""

UNREAD = "non-lu"
CONTACT_TRIED = "contact-tente"
APPOINTMENT_FIXED = "rdv-fixe"
QUESTION_OPEN = "complement-demande"
ABSENT = ("absent-1", "absent-2", "absent-3")  # the n-th no-show
PROGRESS = (CONTACT_TRIED, APPOINTMENT_FIXED, *ABSENT)

OTHER = "autre"
MISDIRECTED = "mauvaise-orientation"
ABSENTEE = "beneficiaire-absent"  # after the third no-show
CLOSED = "demande-close"  # neutral: the person took it back, or the requester ended it; nobody who reads it can tell which
TAKEN_BACK = frozenset({"retrait", "opposition"})  # activities of the Provenances that tell it: the proof of the person's word

MESSAGE = "message"  # categories of our Communications, table `communication`
QUESTION = "question"
ANSWER = "answer"
CLOSING = "closing-notice"
REMINDER = "reminder"  # what Liaison's Device says when time has passed; its topic is one of these, table `reminder`
WAITS = "attente"  # no answer yet
HALF, SECOND, DUE = "mi-delai", "trois-quarts", "echeance"  # of the time until the deadline of an urgent file
EXPIRED = "sans-reponse"  # no answer at all: the reason of the Task, too
ESCALATIONS = (HALF, SECOND, DUE)  # the later says all that the earlier does
REMINDERS = (WAITS, EXPIRED, *ESCALATIONS)
