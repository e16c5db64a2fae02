package org.liaison.sandbox;

import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirPostgresDialect;
import ca.uhn.fhir.jpa.model.entity.StorageSettings.IndexEnabledEnum;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/**
 * The parts HAPI JPA asks of its host for an R4 server. Where no option says otherwise it behaves as HAPI does
 * out of the box, so that what works here works on a clinic's HAPI.
 *
 * <p>System properties, all optional:
 * <ul>
 *   <li>{@code sandbox.database}: JDBC URL, {@code jdbc:h2:…} or {@code jdbc:postgresql:…} (H2 in memory);
 *       {@code sandbox.database-user}, {@code sandbox.database-pool} (20); the password is the environment
 *       variable SANDBOX_DATABASE_PASSWORD, because a command line can be read by every user of a machine</li>
 *   <li>{@code sandbox.refint}: refuse references to what is not here (true)</li>
 *   <li>{@code sandbox.reuse-cached-search}: for how many milliseconds the same search may be answered from its
 *       earlier result (60000, as HAPI does; 0 never)</li>
 *   <li>{@code sandbox.index-missing}: index absent elements for {@code :missing} (false)</li>
 *   <li>{@code sandbox.largest-page}: entries on a page of a search at most (50, as HAPI does)</li>
 *   <li>{@code sandbox.subscriptions}: deliver rest-hook subscriptions (false)</li>
 * </ul>
 */
@Configuration
@Import({
  JpaR4Config.class,
  HapiJpaConfig.class,
  JpaBatch2Config.class,
  Batch2JobsConfig.class,
  SubscriptionChannelConfig.class,
  SubscriptionProcessorConfig.class,
  SubscriptionSubmitterConfig.class,
  ThreadPoolFactoryConfig.class
})
public class HapiServer {

  private static final String DATABASE = System.getProperty("sandbox.database", "jdbc:h2:mem:sandbox;DB_CLOSE_DELAY=-1");
  private static final boolean POSTGRES = DATABASE.startsWith("jdbc:postgresql:");

  private static boolean option(String name, boolean otherwise) {
    return Boolean.parseBoolean(System.getProperty("sandbox." + name, String.valueOf(otherwise)));
  }

  @Bean
  public JpaStorageSettings storageSettings() {
    var settings = new JpaStorageSettings();
    long reuse = Long.getLong("sandbox.reuse-cached-search", 60_000L);
    settings.setReuseCachedSearchResultsForMillis(reuse > 0 ? reuse : null);
    settings.setEnforceReferentialIntegrityOnWrite(option("refint", true));
    settings.setIndexMissingFields(option("index-missing", false) ? IndexEnabledEnum.ENABLED : IndexEnabledEnum.DISABLED);
    settings.setAllowExternalReferences(true); // an absolute reference to another server is kept as it is
    return settings;
  }

  @Bean
  public PartitionSettings partitionSettings() {
    return new PartitionSettings();
  }

  @Bean
  public SubscriptionSettings subscriptionSettings() {
    var settings = new SubscriptionSettings();
    if (option("subscriptions", false)) {
      settings.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK);
    }
    return settings;
  }

  @Bean
  public IEmailSender noMail() {
    return message -> {};
  }

  @Bean(destroyMethod = "close")
  public DataSource dataSource() {
    var source = new BasicDataSource();
    source.setUrl(DATABASE);
    source.setUsername(System.getProperty("sandbox.database-user", POSTGRES ? "postgres" : "sa"));
    source.setPassword(System.getenv().getOrDefault("SANDBOX_DATABASE_PASSWORD", ""));
    int connections = Integer.getInteger("sandbox.database-pool", 20);
    source.setMaxTotal(connections);
    source.setMaxIdle(connections); // else all but eight are closed after each use and opened again
    return source;
  }

  @Bean
  public LocalContainerEntityManagerFactoryBean entityManagerFactory(
      ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings settings, DataSource source) {
    var hibernate = new Properties();
    // HAPI's dialects carry column types that Hibernate would not guess from the connection
    hibernate.setProperty("hibernate.dialect", (POSTGRES ? HapiFhirPostgresDialect.class : HapiFhirH2Dialect.class).getName());
    hibernate.setProperty("hibernate.hbm2ddl.auto", "update");
    hibernate.setProperty("hibernate.jdbc.batch_size", "20");
    hibernate.setProperty("hibernate.search.enabled", "false"); // no full text: _content and _text are off

    var factory = HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
    factory.setPersistenceUnitName("sandbox");
    factory.setDataSource(source);
    factory.setJpaProperties(hibernate);
    return factory;
  }

  @Bean
  @Primary
  public JpaTransactionManager transactionManager(EntityManagerFactory factory) {
    return new JpaTransactionManager(factory);
  }

  @Bean
  public RestfulServer restfulServer(
      FhirContext fhir,
      ResourceProviderFactory resources,
      JpaSystemProvider<?, ?> system,
      IFhirSystemDao<?, ?> systemDao,
      JpaStorageSettings settings,
      ISearchParamRegistry searchParameters,
      IValidationSupport validation,
      DatabaseBackedPagingProvider paging) {
    var server = new RestfulServer(fhir);
    server.registerProviders(resources.createProviders());
    server.registerProvider(system);
    paging.setMaximumPageSize(Integer.getInteger("sandbox.largest-page", paging.getMaximumPageSize()));
    server.setPagingProvider(paging);
    server.setDefaultResponseEncoding(EncodingEnum.JSON);
    var capability = new JpaCapabilityStatementProvider(server, systemDao, settings, searchParameters, validation);
    capability.setImplementationDescription("Liaison sandbox");
    server.setServerConformanceProvider(capability);
    return server;
  }
}
