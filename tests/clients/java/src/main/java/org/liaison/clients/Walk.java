package org.liaison.clients;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.client.api.IClientInterceptor;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.api.IHttpRequest;
import ca.uhn.fhir.rest.client.api.IHttpResponse;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.hl7.fhir.instance.model.api.IBaseBundle;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.Bundle.BundleEntryComponent;
import org.hl7.fhir.r4.model.Bundle.BundleType;
import org.hl7.fhir.r4.model.Bundle.HTTPVerb;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Reference;

/**
 * What a vendor writes with HAPI's generic client, as its documentation shows it. One JSON line on standard output for each step
 * says what came of it; whether that is right, the caller judges.
 *
 * <p>Arguments: base URL, JSON or XML, a system for identifiers that nobody else uses. The token comes from the variable TOKEN.
 */
public final class Walk {
  private static final int PATIENTS = 5;
  private static final int PAGE = 2;

  private final IGenericClient client;
  private final String system;
  private final Media media = new Media();

  private Walk(IGenericClient client, String system) {
    this.client = client;
    this.system = system;
    client.registerInterceptor(media);
  }

  public static void main(String[] args) throws Exception {
    IGenericClient client = FhirContext.forR4().newRestfulGenericClient(args[0]);
    client.setEncoding(EncodingEnum.valueOf(args[1]));
    client.registerInterceptor(new BearerTokenAuthInterceptor(System.getenv("TOKEN")));
    Walk walk = new Walk(client, args[2]);
    walk.conditionalCreate();
    walk.staleUpdate();
    walk.pages();
    walk.transaction();
    walk.failedTransaction();
    say("media", Map.of("sent", walk.media.sent, "got", walk.media.got));
  }

  private void conditionalCreate() throws Exception {
    List<String> ids = new ArrayList<>();
    List<Boolean> created = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      MethodOutcome outcome = client.create().resource(patient("once")).conditional()
          .where(Patient.IDENTIFIER.exactly().systemAndIdentifier(system, "once")).execute();
      ids.add(outcome.getId().getIdPart());
      created.add(Boolean.TRUE.equals(outcome.getCreated()));
    }
    Bundle found = client.search().forResource(Patient.class)
        .where(Patient.IDENTIFIER.exactly().systemAndIdentifier(system, "once")).returnBundle(Bundle.class).execute();
    say("conditional create", Map.of("ids", ids, "created", created, "found", ids(found)));
  }

  private void staleUpdate() throws Exception {
    IdType id = (IdType) client.create().resource(patient("edited")).execute().getId();
    Patient first = client.read().resource(Patient.class).withId(id.toUnqualifiedVersionless()).execute();
    Patient second = first.copy();
    second.setActive(true);
    MethodOutcome fresh = client.update().resource(second).withId(first.getIdElement().toUnqualified()).execute();
    Patient third = first.copy();
    third.setActive(false);
    Map<String, Object> said = new LinkedHashMap<>();
    said.put("versions", List.of(first.getIdElement().getVersionIdPart(), fresh.getId().getVersionIdPart()));
    said.put("refused", refused(() -> client.update().resource(third).withId(first.getIdElement().toUnqualified()).execute()));
    said.put("active", client.read().resource(Patient.class).withId(id.toUnqualifiedVersionless()).execute().getActive());
    say("stale update", said);
  }

  private void pages() throws Exception {
    List<String> made = new ArrayList<>();
    for (int i = 0; i < PATIENTS; i++) {
      made.add(client.create().resource(patient("many").setActive(i % 2 == 0)).execute().getId().getIdPart());
    }
    List<List<String>> pages = new ArrayList<>();
    Bundle page = client.search().forResource(Patient.class).where(Patient.IDENTIFIER.exactly().systemAndIdentifier(system, "many"))
        .count(PAGE).returnBundle(Bundle.class).execute();
    pages.add(ids(page));
    while (page.getLink(IBaseBundle.LINK_NEXT) != null) {
      page = client.loadPage().next(page).execute();
      pages.add(ids(page));
    }
    say("pages", Map.of("made", made, "pages", pages));
  }

  private void transaction() throws Exception {
    Bundle answer = client.transaction().withBundle(bundle(observation("urn:uuid:00000000-0000-4000-8000-000000000001"))).execute();
    List<String> statuses = new ArrayList<>();
    List<String> places = new ArrayList<>();
    for (BundleEntryComponent entry : answer.getEntry()) {
      statuses.add(entry.getResponse().getStatus());
      places.add(new IdType(entry.getResponse().getLocation()).toUnqualifiedVersionless().getValue());
    }
    Observation stored = client.read().resource(Observation.class).withId(new IdType(places.get(1))).execute();
    say("transaction", Map.of("type", answer.getType().toCode(), "statuses", statuses, "places", places,
        "subject", stored.getSubject().getReference(), "value", stored.getValueQuantity().getValueElement().getValueAsString()));
  }

  private void failedTransaction() throws Exception {
    say("failed transaction", Map.of(
        "refused", refused(() -> client.transaction().withBundle(bundle(observation("Patient/nobody"))).execute()),
        "left", ids(client.search().forResource(Patient.class)
            .where(Patient.IDENTIFIER.exactly().systemAndIdentifier(system, "together")).returnBundle(Bundle.class).execute()).size()));
  }

  private Patient patient(String value) {
    Patient patient = new Patient();
    patient.addIdentifier().setSystem(system).setValue(value);
    patient.addName().setFamily("Exemple").addGiven("Inventé");
    return patient;
  }

  private static Observation observation(String subject) {
    Observation made = new Observation();
    made.setStatus(Observation.ObservationStatus.FINAL).setSubject(new Reference(subject));
    made.getCode().addCoding().setSystem("http://loinc.org").setCode("29463-7");
    made.getValueQuantity().setValue(new java.math.BigDecimal("72.50")).setUnit("kg").setSystem("http://unitsofmeasure.org").setCode("kg");
    return made;
  }

  private Bundle bundle(Observation observation) {
    Bundle made = new Bundle().setType(BundleType.TRANSACTION);
    made.addEntry().setFullUrl("urn:uuid:00000000-0000-4000-8000-000000000001").setResource(patient("together"))
        .getRequest().setMethod(HTTPVerb.POST).setUrl("Patient");
    made.addEntry().setResource(observation).getRequest().setMethod(HTTPVerb.POST).setUrl("Observation");
    return made;
  }

  private static List<String> ids(Bundle bundle) {
    return bundle.getEntry().stream().map(entry -> entry.getResource().getIdElement().getIdPart()).toList();
  }

  /** Name of the exception, status and first issue code; empty when nothing was refused. */
  private static Map<String, Object> refused(Runnable act) {
    try {
      act.run();
      return Map.of();
    } catch (BaseServerResponseException refusal) {
      OperationOutcome outcome = (OperationOutcome) refusal.getOperationOutcome();
      String code = outcome == null ? "" : outcome.getIssueFirstRep().getCode().toCode();
      return Map.of("exception", refusal.getClass().getSimpleName(), "status", refusal.getStatusCode(), "code", code);
    }
  }

  private static void say(String step, Map<String, Object> found) throws Exception {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("step", step);
    line.putAll(found);
    System.out.println(new ObjectMapper().writeValueAsString(line));
  }

  /** The media types that went over the wire in either direction. */
  private static final class Media implements IClientInterceptor {
    private final TreeSet<String> sent = new TreeSet<>();
    private final TreeSet<String> got = new TreeSet<>();

    @Override
    public void interceptRequest(IHttpRequest request) {
      request.getAllHeaders().forEach((name, values) -> {
        if (name.equalsIgnoreCase("Content-Type")) {
          values.forEach(value -> sent.add(value.split(";")[0]));
        }
      });
    }

    @Override
    public void interceptResponse(IHttpResponse response) {
      for (String value : response.getHeaders("Content-Type")) {
        got.add(value.split(";")[0]);
      }
    }
  }
}
