"""The elements of FHIR R4 that a view may name: one line of `path:type|type` for each type a referral touches.

Facts of the R4 StructureDefinitions (4.0.1). Left out everywhere: id, extension, modifierExtension (a view names those by
url) and, at the top, meta, text, contained, language, implicitRules, which no view may list. `*` is "any datatype".
"""

from __future__ import annotations

RESOURCES = {
    "Appointment": (
        "identifier:Identifier status:code cancelationReason:CodeableConcept serviceCategory:CodeableConcept "
        "serviceType:CodeableConcept specialty:CodeableConcept appointmentType:CodeableConcept reasonCode:CodeableConcept "
        "reasonReference:Reference priority:unsignedInt description:string supportingInformation:Reference start:instant end:instant "
        "minutesDuration:positiveInt slot:Reference created:dateTime comment:string patientInstruction:string basedOn:Reference "
        "participant:BackboneElement participant.type:CodeableConcept participant.actor:Reference participant.required:code "
        "participant.status:code participant.period:Period requestedPeriod:Period"
    ),
    "CareTeam": (
        "identifier:Identifier status:code category:CodeableConcept name:string subject:Reference encounter:Reference period:Period "
        "participant:BackboneElement participant.role:CodeableConcept participant.member:Reference participant.onBehalfOf:Reference "
        "participant.period:Period reasonCode:CodeableConcept reasonReference:Reference managingOrganization:Reference "
        "telecom:ContactPoint note:Annotation"
    ),
    "Communication": (
        "identifier:Identifier instantiatesCanonical:canonical instantiatesUri:uri basedOn:Reference partOf:Reference "
        "inResponseTo:Reference status:code statusReason:CodeableConcept category:CodeableConcept priority:code medium:CodeableConcept "
        "subject:Reference topic:CodeableConcept about:Reference encounter:Reference sent:dateTime received:dateTime "
        "recipient:Reference sender:Reference reasonCode:CodeableConcept reasonReference:Reference payload:BackboneElement "
        "payload.content[x]:string|Attachment|Reference note:Annotation"
    ),
    "Consent": (
        "identifier:Identifier status:code scope:CodeableConcept category:CodeableConcept patient:Reference dateTime:dateTime "
        "performer:Reference organization:Reference source[x]:Attachment|Reference policy:BackboneElement policy.authority:uri "
        "policy.uri:uri policyRule:CodeableConcept verification:BackboneElement verification.verified:boolean "
        "verification.verifiedWith:Reference verification.verificationDate:dateTime provision:BackboneElement provision.type:code "
        "provision.period:Period provision.actor:BackboneElement provision.actor.role:CodeableConcept "
        "provision.actor.reference:Reference provision.action:CodeableConcept provision.securityLabel:Coding provision.purpose:Coding "
        "provision.class:Coding provision.code:CodeableConcept provision.dataPeriod:Period provision.data:BackboneElement "
        "provision.data.meaning:code provision.data.reference:Reference provision.provision:"
    ),
    "HealthcareService": (
        "identifier:Identifier active:boolean providedBy:Reference category:CodeableConcept type:CodeableConcept "
        "specialty:CodeableConcept location:Reference name:string comment:string extraDetails:markdown photo:Attachment "
        "telecom:ContactPoint coverageArea:Reference serviceProvisionCode:CodeableConcept eligibility:BackboneElement "
        "eligibility.code:CodeableConcept eligibility.comment:markdown program:CodeableConcept characteristic:CodeableConcept "
        "communication:CodeableConcept referralMethod:CodeableConcept appointmentRequired:boolean availableTime:BackboneElement "
        "availableTime.daysOfWeek:code availableTime.allDay:boolean availableTime.availableStartTime:time "
        "availableTime.availableEndTime:time notAvailable:BackboneElement notAvailable.description:string notAvailable.during:Period "
        "availabilityExceptions:string endpoint:Reference"
    ),
    "Location": (
        "identifier:Identifier status:code operationalStatus:Coding name:string alias:string description:string mode:code "
        "type:CodeableConcept telecom:ContactPoint address:Address physicalType:CodeableConcept position:BackboneElement "
        "position.longitude:decimal position.latitude:decimal position.altitude:decimal managingOrganization:Reference "
        "partOf:Reference hoursOfOperation:BackboneElement hoursOfOperation.daysOfWeek:code hoursOfOperation.allDay:boolean "
        "hoursOfOperation.openingTime:time hoursOfOperation.closingTime:time availabilityExceptions:string endpoint:Reference"
    ),
    "Observation": (
        "identifier:Identifier basedOn:Reference partOf:Reference status:code category:CodeableConcept code:CodeableConcept "
        "subject:Reference focus:Reference encounter:Reference effective[x]:dateTime|Period|Timing|instant issued:instant "
        "performer:Reference value[x]:Quantity|CodeableConcept|string|boolean|integer|Range|Ratio|SampledData|time|dateTime|Period "
        "dataAbsentReason:CodeableConcept interpretation:CodeableConcept note:Annotation bodySite:CodeableConcept "
        "method:CodeableConcept specimen:Reference device:Reference referenceRange:BackboneElement referenceRange.low:Quantity "
        "referenceRange.high:Quantity referenceRange.type:CodeableConcept referenceRange.appliesTo:CodeableConcept "
        "referenceRange.age:Range referenceRange.text:string hasMember:Reference derivedFrom:Reference component:BackboneElement "
        "component.code:CodeableConcept "
        "component.value[x]:Quantity|CodeableConcept|string|boolean|integer|Range|Ratio|SampledData|time|dateTime|Period "
        "component.dataAbsentReason:CodeableConcept component.interpretation:CodeableConcept component.referenceRange:"
    ),
    "Organization": (
        "identifier:Identifier active:boolean type:CodeableConcept name:string alias:string telecom:ContactPoint address:Address "
        "partOf:Reference contact:BackboneElement contact.purpose:CodeableConcept contact.name:HumanName contact.telecom:ContactPoint "
        "contact.address:Address endpoint:Reference"
    ),
    "Patient": (
        "identifier:Identifier active:boolean name:HumanName telecom:ContactPoint gender:code birthDate:date "
        "deceased[x]:boolean|dateTime address:Address maritalStatus:CodeableConcept multipleBirth[x]:boolean|integer photo:Attachment "
        "contact:BackboneElement contact.relationship:CodeableConcept contact.name:HumanName contact.telecom:ContactPoint "
        "contact.address:Address contact.gender:code contact.organization:Reference contact.period:Period "
        "communication:BackboneElement communication.language:CodeableConcept communication.preferred:boolean "
        "generalPractitioner:Reference managingOrganization:Reference link:BackboneElement link.other:Reference link.type:code"
    ),
    "Practitioner": (
        "identifier:Identifier active:boolean name:HumanName telecom:ContactPoint address:Address gender:code birthDate:date "
        "photo:Attachment qualification:BackboneElement qualification.identifier:Identifier qualification.code:CodeableConcept "
        "qualification.period:Period qualification.issuer:Reference communication:CodeableConcept"
    ),
    "PractitionerRole": (
        "identifier:Identifier active:boolean period:Period practitioner:Reference organization:Reference code:CodeableConcept "
        "specialty:CodeableConcept location:Reference healthcareService:Reference telecom:ContactPoint availableTime:BackboneElement "
        "availableTime.daysOfWeek:code availableTime.allDay:boolean availableTime.availableStartTime:time "
        "availableTime.availableEndTime:time notAvailable:BackboneElement notAvailable.description:string notAvailable.during:Period "
        "availabilityExceptions:string endpoint:Reference"
    ),
    "Procedure": (
        "identifier:Identifier instantiatesCanonical:canonical instantiatesUri:uri basedOn:Reference partOf:Reference status:code "
        "statusReason:CodeableConcept category:CodeableConcept code:CodeableConcept subject:Reference encounter:Reference "
        "performed[x]:dateTime|Period|string|Age|Range recorder:Reference asserter:Reference performer:BackboneElement "
        "performer.function:CodeableConcept performer.actor:Reference performer.onBehalfOf:Reference location:Reference "
        "reasonCode:CodeableConcept reasonReference:Reference bodySite:CodeableConcept outcome:CodeableConcept report:Reference "
        "complication:CodeableConcept complicationDetail:Reference followUp:CodeableConcept note:Annotation "
        "focalDevice:BackboneElement focalDevice.action:CodeableConcept focalDevice.manipulated:Reference usedReference:Reference "
        "usedCode:CodeableConcept"
    ),
    "RelatedPerson": (
        "identifier:Identifier active:boolean patient:Reference relationship:CodeableConcept name:HumanName telecom:ContactPoint "
        "gender:code birthDate:date address:Address photo:Attachment period:Period communication:BackboneElement "
        "communication.language:CodeableConcept communication.preferred:boolean"
    ),
    "ServiceRequest": (
        "identifier:Identifier instantiatesCanonical:canonical instantiatesUri:uri basedOn:Reference replaces:Reference "
        "requisition:Identifier status:code intent:code category:CodeableConcept priority:code doNotPerform:boolean "
        "code:CodeableConcept orderDetail:CodeableConcept quantity[x]:Quantity|Ratio|Range subject:Reference encounter:Reference "
        "occurrence[x]:dateTime|Period|Timing asNeeded[x]:boolean|CodeableConcept authoredOn:dateTime requester:Reference "
        "performerType:CodeableConcept performer:Reference locationCode:CodeableConcept locationReference:Reference "
        "reasonCode:CodeableConcept reasonReference:Reference insurance:Reference supportingInfo:Reference specimen:Reference "
        "bodySite:CodeableConcept note:Annotation patientInstruction:string relevantHistory:Reference"
    ),
    "Task": (
        "identifier:Identifier instantiatesCanonical:canonical instantiatesUri:uri basedOn:Reference groupIdentifier:Identifier "
        "partOf:Reference status:code statusReason:CodeableConcept businessStatus:CodeableConcept intent:code priority:code "
        "code:CodeableConcept description:string focus:Reference for:Reference encounter:Reference executionPeriod:Period "
        "authoredOn:dateTime lastModified:dateTime requester:Reference performerType:CodeableConcept owner:Reference "
        "location:Reference reasonCode:CodeableConcept reasonReference:Reference insurance:Reference note:Annotation "
        "relevantHistory:Reference restriction:BackboneElement restriction.repetitions:positiveInt restriction.period:Period "
        "restriction.recipient:Reference input:BackboneElement input.type:CodeableConcept input.value[x]:* output:BackboneElement "
        "output.type:CodeableConcept output.value[x]:*"
    ),
}
DATATYPES = {
    "Address": (
        "use:code type:code text:string line:string city:string district:string state:string postalCode:string country:string "
        "period:Period"
    ),
    "Age": "value:decimal comparator:code unit:string system:uri code:code",
    "Annotation": "author[x]:Reference|string time:dateTime text:markdown",
    "Attachment": (
        "contentType:code language:code data:base64Binary url:url size:unsignedInt hash:base64Binary title:string "
        "creation:dateTime"
    ),
    "CodeableConcept": "coding:Coding text:string",
    "Coding": "system:uri version:string code:code display:string userSelected:boolean",
    "ContactPoint": "system:code value:string use:code rank:positiveInt period:Period",
    "HumanName": "use:code text:string family:string given:string prefix:string suffix:string period:Period",
    "Identifier": "use:code type:CodeableConcept system:uri value:string period:Period assigner:Reference",
    "Meta": "versionId:id lastUpdated:instant source:uri profile:canonical security:Coding tag:Coding",
    "Period": "start:dateTime end:dateTime",
    "Quantity": "value:decimal comparator:code unit:string system:uri code:code",
    "Range": "low:Quantity high:Quantity",
    "Ratio": "numerator:Quantity denominator:Quantity",
    "Reference": "reference:string type:uri identifier:Identifier display:string",
    "Timing": (
        "event:dateTime repeat:Element repeat.bounds[x]:Duration|Range|Period repeat.count:positiveInt repeat.countMax:positiveInt "
        "repeat.duration:decimal repeat.durationMax:decimal repeat.durationUnit:code repeat.frequency:positiveInt "
        "repeat.frequencyMax:positiveInt repeat.period:decimal repeat.periodMax:decimal repeat.periodUnit:code repeat.dayOfWeek:code "
        "repeat.timeOfDay:time repeat.when:code repeat.offset:unsignedInt code:CodeableConcept"
    ),
}
TABLE = RESOURCES | DATATYPES
