"""What a referral is and may become: pure functions over FHIR R4 dicts (workflow.md 2 and 3, sdohcc.md (c)).

`states` which moves are legal and who makes them · `verbs` what each act changes · `due` until when ·
`spoken` the reference said on the phone · `routing` whether a unit takes such a person · `area` coarse place and age.
"""
