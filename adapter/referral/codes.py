"""The codes of our own tables that the rules themselves write; their labels are in `mappings/terms/`."""

UNREAD = "non-lu"
CONTACT_TRIED = "contact-tente"
APPOINTMENT_FIXED = "rdv-fixe"
QUESTION_OPEN = "complement-demande"
ABSENT = ("absent-1", "absent-2", "absent-3")  # the n-th no-show
PROGRESS = (CONTACT_TRIED, APPOINTMENT_FIXED, *ABSENT)

MISDIRECTED = "mauvaise-orientation"
CLOSED = "demande-close"  # neutral: says nothing of a withdrawal to whom the reason is not owed

MESSAGE = "message"  # categories of our Communications, table `communication`
QUESTION = "question"
ANSWER = "answer"
CLOSING = "closing-notice"
