package org.liaison.sandbox;

import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.util.VersionUtil;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * Serves HAPI FHIR R4 on http://127.0.0.1:PORT/fhir, on loopback only, and prints one line once it answers:
 * {@code ready URL HAPI-VERSION SECONDS}.
 *
 * <p>{@code -Dsandbox.port} (8090; 0 takes a free one). {@code -Dsandbox.until=stdin} ends the server when its
 * standard input closes, so that it never outlives the test run that started it. What is stored and how it
 * behaves: see {@link HapiServer}.
 */
public final class Main {

  private Main() {}

  public static void main(String[] arguments) {
    try {
      serve();
    } catch (Exception failed) {
      failed.printStackTrace();
      System.exit(1); // else the threads that did start would keep a server alive that nobody can reach
    }
  }

  private static void serve() throws Exception {
    long begun = System.nanoTime();
    var spring = new AnnotationConfigApplicationContext(HapiServer.class);
    Server jetty = listen(Integer.getInteger("sandbox.port", 8090), spring.getBean(RestfulServer.class));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> shut(jetty, spring)));

    int port = ((ServerConnector) jetty.getConnectors()[0]).getLocalPort();
    System.out.printf(
        "ready http://127.0.0.1:%d/fhir %s %d%n", port, VersionUtil.getVersion(), (System.nanoTime() - begun) / 1_000_000_000L);
    if ("stdin".equals(System.getProperty("sandbox.until"))) {
      exitWithStandardInput();
    }
    jetty.join();
  }

  private static Server listen(int port, RestfulServer fhir) throws Exception {
    var servlet = new ServletHolder(fhir);
    servlet.setInitOrder(1); // at start, not at the first request
    var root = new ServletContextHandler("/");
    root.addServlet(servlet, "/fhir/*");
    var jetty = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    jetty.setHandler(root);
    jetty.start();
    return jetty;
  }

  private static void exitWithStandardInput() throws IOException {
    while (System.in.read() >= 0) {
      // nobody writes here: only its end means something
    }
    System.exit(0);
  }

  private static void shut(Server jetty, AnnotationConfigApplicationContext spring) {
    try {
      jetty.stop();
    } catch (Exception stillClosing) {
      System.err.println("the web server did not stop cleanly: " + stillClosing.getMessage());
    }
    spring.close();
  }
}
